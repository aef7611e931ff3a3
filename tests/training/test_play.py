"""One step of toy games, move by move."""

import pytest
import torch
from games import RECIPE, Point, Toy, stream
from torch import nn
from torch.optim import SGD

from i2i_tutor import losses
from i2i_tutor.methods.base import Method, Turn
from i2i_tutor.nn import MovingAverage
from i2i_tutor.training import make_optimisers, play


def played(method, steps=1, first=0):
    optimisers = make_optimisers(method)
    return [play(method, optimisers, next(stream()), first + step) for step in range(steps)]


def test_two_players_move_in_turn_and_the_second_sees_the_first_ones_move():
    toy = Toy()
    terms = played(toy)[0]
    assert float(terms["pull"]) == 4.0  # (1 - 3)²
    assert toy.a.value.item() == pytest.approx(1 - 0.25 * 2 * (1 - 3))  # 2
    assert float(terms["push"]) == 25.0  # (2 + 3)²: a has moved already
    assert toy.b.value.item() == pytest.approx(3 - 0.25 * 2 * (2 + 3))  # 0.5


def test_gradients_reach_only_who_moves():
    seen = {}

    class Watching(Toy):
        def optimisers(self):
            def watched(name):
                def make(parameters):
                    optimiser = SGD(parameters, lr=0.1)
                    optimiser.register_step_pre_hook(
                        lambda *_: seen.__setitem__(name, (self.a.value.grad, self.b.value.grad))
                    )
                    return optimiser

                return make

            return {"a": watched("a"), "b": watched("b")}

    played(Watching())
    assert seen["a"][0] is not None
    assert seen["a"][1] is None
    assert seen["b"][1] is not None
    assert seen["b"][0] is None


class Three(Toy):
    """A third player moves every fifth step; b moves in two turns of a step."""

    turns = (Turn("pull", ("a",)), Turn("push", ("b",)), Turn("drift", ("b", "c"), every=5))

    def __init__(self):
        super().__init__()
        self.c = Point(0.0)
        self.seen = []

    def optimisers(self):
        return super().optimisers() | {"c": lambda p: SGD(p, lr=1.0)}

    def forward(self, scene):
        self.seen.append(scene.step)

    def drift(self, scene):
        return {"drift": self.c.value + 0.01 * self.b.value}


def test_every_fifth_step_and_a_network_that_moves_twice():
    game = Three()
    rows = played(game, steps=10)
    assert [number for number, row in enumerate(rows) if "drift" in row] == [4, 9]
    assert game.c.value.item() == -2.0  # two moves of -1
    assert game.seen == list(range(10))  # once a step, however many turns it has
    once, twice = Toy(), Three()
    played(once, steps=5)
    played(twice, steps=5)
    assert twice.b.value.item() == pytest.approx(once.b.value.item() - 0.25 * 0.01)


def test_phases_are_a_function_of_the_step():
    class Phased(Toy):
        def begin(self, step):
            return self.turns if step < 2 else self.turns[1:]

    game = Phased()
    rows = played(game, steps=4)
    assert ["pull" in row for row in rows] == [True, True, False, False]


def test_a_momentum_copy_follows_without_gradient():
    class Momentum(Toy):
        def __init__(self):
            super().__init__()
            self.copy = MovingAverage(self.a, 0.5)

        def end(self, scene):
            assert not torch.is_grad_enabled()
            self.copy.update(self.a)

    game = Momentum()
    played(game)
    assert float(game.copy.module.value) == pytest.approx(0.5 * 1 + 0.5 * 2)


def test_a_turn_may_differentiate_twice():
    class Penalised(Method):
        name = "penalised"
        turns = (Turn("penalty", ("critic",)),)

        def __init__(self):
            super().__init__(RECIPE)
            self.critic = nn.Linear(4, 1, bias=False)
            nn.init.constant_(self.critic.weight, 1.0)

        def optimisers(self):
            return {"critic": lambda p: SGD(p, lr=0.1)}

        def penalty(self, scene):
            return {"r1": losses.r1_penalty(lambda x: self.critic(x.flatten(1)), torch.zeros(2, 1, 2, 2))}

    game = Penalised()
    assert float(played(game)[0]["r1"]) == pytest.approx(4.0)  # ‖w‖²
    assert float(game.critic.weight[0, 0].detach()) == pytest.approx(1 - 0.1 * 2)  # gradient 2w


def test_two_terms_of_one_name_are_refused():
    class Twice(Toy):
        def push(self, scene):
            return {"pull": (self.a.value + self.b.value) ** 2}

    with pytest.raises(ValueError, match="both call a term 'pull'"):
        played(Twice())


def test_a_turn_without_terms_is_named():
    class Empty(Toy):
        def push(self, scene):
            return {}

    with pytest.raises(ValueError, match="'push' returned no term"):
        played(Empty())


class Nobody(Toy):
    turns = (*Toy.turns, Turn("push", ("c",)))


class Odd(Toy):
    """Its turn returns whatever it is told to."""

    def __init__(self, terms):
        super().__init__()
        self.terms = terms

    def push(self, scene):
        return self.terms(self)


ODD = {
    "the turn 'push' names 'c', which the method 'toy' does not have": Nobody,
    "the term 'x' of the turn 'push' is 0.5; expected a tensor of one number": lambda: Odd(lambda game: {"x": 0.5}),
    r"is a tensor \(2,\); expected": lambda: Odd(lambda game: {"x": game.b.value.expand(2)}),
    "no term of the turn 'push' depends on a weight": lambda: Odd(lambda game: {"x": torch.tensor(1.0)}),
    "the batch has no 'label'; it holds 'input'": lambda: Odd(lambda game: {"x": game.seen.batch["label"]}),
}


@pytest.mark.parametrize("sentence", ODD)
def test_what_a_method_gets_wrong_is_a_sentence(sentence):
    game = ODD[sentence]()
    game.forward = lambda scene: setattr(game, "seen", scene)
    with pytest.raises(ValueError, match=sentence) as caught:
        play(game, {name: SGD(game.a.parameters(), lr=0.1) for name in "ab"}, next(stream()), 0)
    assert "\n" not in str(caught.value)


def test_a_network_without_an_optimiser_or_weights_is_named():
    game = Toy()
    with pytest.raises(ValueError, match="the turn 'push' moves 'b', which has no optimiser"):
        play(game, {"a": SGD(game.a.parameters(), lr=0.1)}, next(stream()), 0)
    optimisers = make_optimisers(game)
    game.b.requires_grad_(False)
    with pytest.raises(ValueError, match="the turn 'push' moves b, which has no weights to move"):
        play(game, optimisers, next(stream()), 0)

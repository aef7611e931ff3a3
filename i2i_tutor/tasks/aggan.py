"""Checks of assignment 6, AGGAN: which pixel comes from where, whose map it is, and what the switch changes."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.methods.aggan import compose
from i2i_tutor.tasks.base import TOLERANCE, Wrong, equal_parameters, gradients, number, same, student_seed, task

IDEA = "chapters/06_aggan.html#the-idea"
LOSSES = "chapters/06_aggan.html#the-losses-from-scratch"
ATTENDED = "chapters/06_aggan.html#the-attended-discriminator"
STEP = "chapters/06_aggan.html#one-step-by-hand"
WEIGHT = 10.0  # of the cycle, in the task by hand
LESS = -0.3  # what D charges for a brighter pixel, in the task by hand
Scene = dict[str, Tensor]


# --- by hand -------------------------------------------------------------------------------------------------------


def by_hand(student: str) -> dict[str, Tensor]:
    """A grey picture ``(2, 2)``, what is painted and its map, there and back: every student has others."""
    generator = torch.Generator().manual_seed(student_seed(student))
    tones = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0], dtype=torch.float64)
    steps = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.float64)
    while True:
        picture, painted, back = tones[torch.randint(5, (3, 2, 2), generator=generator)]
        maps = [steps[torch.randperm(4, generator=generator)].view(2, 2) for _ in range(2)]
        drawn = {"s": picture, "painted": painted, "map": maps[0], "painted back": back, "map back": maps[1]}
        sets = [sorted([right, *mistakes.values()]) for right, mistakes in _by_hand(drawn).values()]
        if all(b - a > 0.01 for values in sets for a, b in pairwise(values)):  # every mistake can be told
            return drawn


def _by_hand(drawn: Mapping[str, Tensor]) -> dict[str, tuple[float, dict[str, float]]]:
    """The three right numbers, each with what mistakes lead to."""
    s, painted, where, back, where_back = drawn.values()
    there = where * painted + (1 - where) * s

    def mean(picture: Tensor) -> float:
        return float(picture.mean())

    def charge(returned: Tensor, start: Tensor = s) -> float:
        return WEIGHT * mean((returned - start).abs())

    def again(image: Tensor, where: Tensor) -> Tensor:
        return where * back + (1 - where) * image

    returned = again(there, where_back)
    slope = float(LESS * (painted - s)[0, 0])
    return {
        "made": (
            mean(there),
            {
                "map and inverse are exchanged: where the map is 1 stands what is painted": mean(s + painted - there),
                "you summed over the four pixels; the mean is asked": 4 * mean(there),
                "what is kept is missing: (1 - map) times the picture": mean(where * painted),
                "the painting is added to the whole picture; it takes the picture's place": mean(s + where * painted),
                "the map was cut at one half; in between is a mixture": mean(torch.where(where >= 0.5, painted, s)),
            },
        ),
        "cycle": (
            charge(returned),
            {
                "the weight, 10, is missing": charge(returned) / WEIGHT,
                "you summed over the four pixels, the loss is their mean": 4 * charge(returned),
                "the error is squared; the cycle takes its size": WEIGHT * mean((returned - s).square()),
                "the way back has a map of its own, not the first one": charge(again(there, where)),
                "the way back begins at s', not at s": charge(again(s, where_back)),
                "s'' is compared with s', not with s": charge(returned, there),
                "on the way back map and inverse are exchanged": charge(again(there, 1 - where_back)),
                "that is the error of s', before the way back": charge(there),
            },
        ),
        "slope": (
            slope,
            {
                "the sign is wrong: a higher map gives more of what is painted and less of the picture": -slope,
                "what D charges for a brighter pixel, -0.3, is missing": slope / LESS,
                "what is kept also depends on the map: painted minus kept": float(LESS * painted[0, 0]),
                "that is what D charges for the pixel; the map moves the pixel by painted minus kept": LESS,
                "the map itself is no factor: the composition is linear in it": slope * float(where[0, 0]),
            },
        ),
    }


@task(IDEA)
def check_by_hand(made: float, cycle: float, slope: float, *, student: str) -> None:
    """Task 1: mean of s', the weighted cycle loss of s'', and the slope of D's charge by the upper left map value."""
    right = _by_hand(by_hand(student))
    for name, answer in (("made", made), ("cycle", cycle), ("slope", slope)):
        number(answer, *right[name], name)


# --- the composition -----------------------------------------------------------------------------------------------


@task(IDEA)
def check_compose(
    answer: Callable[[Tensor, Tensor, Tensor], Tensor],
    *,
    batch: int = 3,
    channels: int = 3,
    side: int = 4,
    dtype: torch.dtype = torch.float64,
    value: float | None = None,
) -> None:
    """Task 2: a function (image, painted, where) → the composition. With ``value`` the map is that everywhere."""
    image, painted = (torch.rand(batch, channels, side, side + 2, dtype=dtype) * 2 - 1 for _ in range(2))
    where = torch.rand(batch, 1, side, side + 2, dtype=dtype)
    where.flatten()[:2] = torch.tensor([0.0, 1.0])
    if value is not None:
        where.fill_(value)

    def by(where: Tensor) -> Tensor:
        return where * painted + (1 - where) * image

    mistakes = {
        "map and inverse are exchanged: where the map is 1 stands what is painted": by(1 - where),
        "what is kept is missing: (1 - map) times the image": where * painted,
        "what is painted is missing: map times what is painted": (1 - where) * image,
        "the painting is added to the whole image; it takes the image's place": image + where * painted,
        "the map was cut at one half; in between is a mixture": by((where >= 0.5).to(dtype)),
        "the map was averaged over the pixels; each has its own value": by(where.mean((1, 2, 3), keepdim=True)),
        "the whole batch shares one map; each image has its own": by(where[:1]),
    }
    if batch == channels:
        mistakes["the map lost its axis of channels, so the maps of the batch met the colours; keep (N, 1, H, W)"] = by(
            where[:, 0]
        )
    given = [one.clone() for one in (image, painted, where)]
    same(answer(*given), by(where), mistakes)
    if not all(torch.equal(*pair) for pair in zip(given, (image, painted, where), strict=True)):
        raise Wrong("the images that were given have changed; make a new one, and write into nothing")
    gradients(answer, compose, {"image": image, "painted": painted, "where": where})


# --- there and back ------------------------------------------------------------------------------------------------


def _convolution(width_in: int, width_out: int, dtype: torch.dtype) -> nn.Conv2d:
    layer = nn.Conv2d(width_in, width_out, 3, padding=1, dtype=dtype)
    layer.weight.data *= 3  # so that maps and pictures use their whole range
    return layer


def _painter(dtype: torch.dtype) -> nn.Module:
    return nn.Sequential(_convolution(3, 3, dtype), nn.Tanh())


def _looker(dtype: torch.dtype) -> nn.Module:
    return nn.Sequential(_convolution(3, 1, dtype), nn.Sigmoid())


def _pictures(count: int, batch: int, side: int, dtype: torch.dtype) -> list[Tensor]:
    return [torch.rand(batch, 3, side, side, dtype=dtype) * 2 - 1 for _ in range(count)]


def _way(image: Tensor, start: str, networks: nn.ModuleDict, mistake: str = "") -> tuple[Tensor, Tensor]:
    """The made picture and where the way back leads. ``mistake`` makes it wrong."""
    end = "b" if start == "a" else "a"
    paint, paint_back = networks[f"g_{start}{end}"], networks[f"g_{end}{start}"]
    look, look_back = networks[f"attention_{start}"], networks[f"attention_{end}"]
    if mistake == "other's attention":
        look, look_back = look_back, look
    if mistake == "one generator":
        paint_back = paint
    where, painted = look(image), paint(image)
    if mistake == "maps detached":
        where = where.detach()
    made = compose(image, painted, where)
    between = made.detach() if mistake == "cut between" else made
    where_back = {
        "first map": lambda: where,
        "same network": lambda: look(between),
        "looks at the original": lambda: look_back(image),
        "maps detached": lambda: look_back(between).detach(),
    }.get(mistake, lambda: look_back(between))()
    painted_back = paint_back(painted if mistake == "bare painting" else between)
    return made, compose(image if mistake == "keeps the original" else between, painted_back, where_back)


def reference_cycle_loss(a: Tensor, b: Tensor, networks: nn.ModuleDict, weight: float, mistake: str = "") -> Tensor:
    """Both cycles, weighted: each way back has the map of the other domain's network on the translated picture."""
    (_, cycled_a), (_, cycled_b) = _way(a, "a", networks, mistake), _way(b, "b", networks, mistake)
    return weight * (losses.l1(cycled_a, a) + losses.l1(cycled_b, b))


_CYCLE_MISTAKES = {
    "the way back uses the map of the way there; it needs the other network's map of the translated picture": (
        "first map"
    ),
    "the way back asks the attention network of the domain where one started; what is to be found is now the other "
    "domain's": "same network",
    "the map of the way back is made from the original; the attention network must look at the translated picture": (
        "looks at the original"
    ),
    "the two attention networks are exchanged: attention_a looks at pictures of a, real or made": "other's attention",
    "the way back keeps pixels of the original; it knows only the translated picture": "keeps the original",
    "the generator of the way back is given the bare painting; it paints from the composed picture": "bare painting",
    "both ways are painted by one generator": "one generator",
}


@task(LOSSES)
def check_cycle_loss(
    answer: Callable[..., Tensor],
    *,
    batch: int = 2,
    side: int = 6,
    dtype: torch.dtype = torch.float64,
    weight: float = 10.0,
) -> None:
    """Task 3: (a, b, g_ab, g_ba, attention_a, attention_b, compose, weight) → both cycle losses, added."""
    kinds = {"g_ab": _painter, "g_ba": _painter, "attention_a": _looker, "attention_b": _looker}
    networks = nn.ModuleDict({name: make(dtype) for name, make in kinds.items()})
    a, b = _pictures(2, batch, side, dtype)

    def asked(networks: nn.ModuleDict) -> Tensor:
        return answer(a, b, *networks.values(), compose, weight)

    with torch.no_grad():
        (_, cycled_a), (_, cycled_b) = _way(a, "a", networks), _way(b, "b", networks)
        one, two = losses.l1(cycled_a, a), losses.l1(cycled_b, b)
        mistakes = {
            sentence: reference_cycle_loss(a, b, networks, weight, name) for sentence, name in _CYCLE_MISTAKES.items()
        }
        mistakes |= {
            "the cycle of b is missing": weight * one,
            "the cycle of a is missing": weight * two,
            "the weight is missing": one + two,
            "the weight is always 10; take the argument": 10 * (one + two),
            "the two cycles are added, not averaged": weight * (one + two) / 2,
            f"{a.numel()}x too large: you summed over the pixels, the loss is their mean": weight
            * (one + two)
            * a.numel(),
            "the error is squared; the cycle takes its size": weight
            * (losses.l2(cycled_a, a) + losses.l2(cycled_b, b)),
        }
    value = asked(networks)
    same(value, weight * (one + two), mistakes)
    if not value.requires_grad:
        raise Wrong("the value is right but carries no gradient: is there a detach(), item() or no_grad()?")
    theirs = {name: _slopes(networks, weight, a, b, name) for name in ("", "cut between", "maps detached")}
    mine = deepcopy(networks)
    asked(mine).backward()
    got = _collected(mine)
    if _equal(got, theirs[""]):
        return
    if _equal(got, theirs["cut between"]):
        raise Wrong("the translated picture was detached before the way back, so the way there learns nothing from it")
    if _equal(got, theirs["maps detached"]):
        raise Wrong("the maps were detached, so the attention networks learn nothing from the cycle")
    for name, network in mine.items():
        if all(parameter.grad is None for parameter in network.parameters()):
            raise Wrong(f"the value is right, but {name} receives no gradient from it")
    raise Wrong("the value is right, but the gradients of the networks are not: was something detached on the way?")


def _slopes(networks: nn.ModuleDict, weight: float, a: Tensor, b: Tensor, mistake: str) -> list[Tensor]:
    copied = deepcopy(networks)
    reference_cycle_loss(a, b, copied, weight, mistake).backward()
    return _collected(copied)


def _collected(module: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in module.parameters()]


def _equal(mine: list[Tensor], theirs: list[Tensor]) -> bool:
    """Whether gradients are equal within rounding, measured by the largest of each tensor."""
    pairs = [(one, two, TOLERANCE[two.dtype]) for one, two in zip(mine, theirs, strict=True)]
    return all(bool((one - two).abs().max() <= within * two.abs().max() + 1e-9) for one, two, within in pairs)


# --- what D sees ---------------------------------------------------------------------------------------------------


def _critic(dtype: torch.dtype) -> nn.Module:
    layers = nn.Conv2d(3, 4, 4, 2, 1, dtype=dtype), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3, 1, 1, dtype=dtype)
    return nn.Sequential(*layers)


def _attended(image: Tensor, where: Tensor, threshold: float) -> Tensor:
    return image * (where >= threshold)


def _paid(critic: nn.Module, real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """What D minimises, halved, and what the generator and its attention do, if D is shown these pictures."""
    loss_d = 0.5 * losses.discriminator_loss(critic(real), critic(made.detach()), "least_squares")
    return loss_d, losses.generator_loss(critic(made), "least_squares")


def reference_side(
    discriminator: nn.Module, b: Tensor, map_b: Tensor, fake_b: Tensor, map_a: Tensor, threshold: float
) -> tuple[Tensor, Tensor]:
    """One side after the switch: what D and what the generator minimise, on attended pixels alone."""
    return _paid(discriminator, _attended(b, map_b, threshold), _attended(fake_b, map_a, threshold))


@task(ATTENDED)
def check_side(
    answer: Callable[..., tuple[Tensor, Tensor]],
    *,
    batch: int = 2,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    threshold: float = 0.25,
) -> None:
    """Task 4: (discriminator, b, map_b, fake_b, map_a, threshold) → the losses of D_b and of who made fake_b."""
    critic = _critic(dtype)
    for parameter in critic.parameters():
        parameter.data *= 2
    b, fake_b = _pictures(2, batch, side, dtype)
    # many values are the threshold itself
    steps = torch.tensor([0, threshold / 2, threshold, 0.75 * threshold + 0.125, (1 + threshold) / 2, 1], dtype=dtype)
    map_b, map_a = (steps[torch.randint(6, (batch, 1, side, side))] for _ in range(2))
    got = answer(critic, b.clone(), map_b, fake_b.clone(), map_a, threshold)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong(f"the answer is of type {type(got).__name__}; expected two losses, D's and the generator's")
    with torch.no_grad():
        right = reference_side(critic, b, map_b, fake_b, map_a, threshold)
        both, of_d, of_g = _side_mistakes(critic, b, map_b, fake_b, map_a, threshold)
    for position, (what, own) in enumerate((("D's loss", of_d), ("the generator's loss", of_g))):
        same(got[position], right[position], own | {name: pair[position] for name, pair in both.items()}, what=what)
    for position in (0, 1):  # from the first loss fake_b learns nothing, from the second it does

        def one(function: Callable[..., tuple[Tensor, Tensor]], position: int = position) -> Callable[..., Tensor]:
            return lambda made, real_map, made_map: function(critic, b, real_map, made, made_map, threshold)[position]

        gradients(one(answer), one(reference_side), {"fake_b": fake_b, "map_b": map_b, "map_a": map_a})
    mine, theirs = deepcopy(critic), deepcopy(critic)
    answer(mine, b, map_b, fake_b, map_a, threshold)[0].backward()
    reference_side(theirs, b, map_b, fake_b, map_a, threshold)[0].backward()
    if not _equal(_collected(mine), _collected(theirs)):
        raise Wrong("the value of D's loss is right, but D's weights do not receive its gradient")


def _side_mistakes(
    critic: nn.Module, b: Tensor, map_b: Tensor, fake_b: Tensor, map_a: Tensor, threshold: float
) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, Tensor], dict[str, Tensor]]:
    """What usual mistakes lead to: in both losses, in D's alone, in the generator's alone."""
    paid, seen_b, seen_a = partial(_paid, critic), map_b >= threshold, map_a >= threshold

    def cut(there_b: Tensor, there_a: Tensor, grey: float = 0.0) -> tuple[Tensor, Tensor]:
        return paid(torch.where(there_b, b, grey), torch.where(there_a, fake_b, grey))

    real, made = critic(b * seen_b), critic(fake_b * seen_a)
    (loss_d, loss_g), patches = cut(seen_b, seen_a), real.numel()
    logarithms = 0.5 * losses.discriminator_loss(real, made), losses.generator_loss(made)
    above = map_b > threshold, map_a > threshold
    both = {
        "a pixel whose map is exactly the threshold is hidden; D sees those that reach it": cut(*above),
        "that is the wrong side of the threshold: D sees the ground, nobody judges the animal": cut(~seen_b, ~seen_a),
        "the real picture is cut out rightly, but of the made one D sees the ground": cut(seen_b, ~seen_a),
        "the made picture is cut out rightly, but of the real one D sees the ground": cut(~seen_b, seen_a),
        "the made picture is cut out by map_b, the map of another picture": cut(seen_b, seen_b),
        "the real picture is cut out by map_a, the map of another picture": cut(seen_a, seen_a),
        "the maps are exchanged: a map belongs to the picture it was made from, map_a to fake_b": cut(seen_a, seen_b),
        "the pictures are multiplied by the soft maps: D sees a pixel or does not": paid(b * map_b, fake_b * map_a),
        "the soft map is still in it: what is shown is shown as it is": paid(
            b * map_b * seen_b, fake_b * map_a * seen_a
        ),
        "the made picture is shown whole; cut out both, or the grey tells them apart": paid(b * seen_b, fake_b),
        "the real picture is shown whole; cut out both, or the grey tells them apart": paid(b, fake_b * seen_a),
        "both pictures are shown whole: that is before the switch": paid(b, fake_b),
        "what is hidden is black, -1; it must be mid-grey, 0": cut(seen_b, seen_a, -1.0),
        "the threshold is always 0.1; take the argument": cut(map_b >= 0.1, map_a >= 0.1),
        "the threshold is always one half; take the argument": cut(map_b >= 0.5, map_a >= 0.5),
        "the two losses are exchanged: D's comes first": (loss_g, loss_d),
        f"{patches}x too large: you summed over the patches, a loss is a mean": (loss_d * patches, loss_g * patches),
        "that is the loss of chapter 1, with logarithms; this one is least squares": logarithms,
    }
    labels = losses.discriminator_loss(made, real, "least_squares")
    of_d = {
        "you did not halve the sum of D's two terms": 2 * loss_d,
        "real and made are exchanged: D wants 1 for real and 0 for made": 0.5 * labels,
        "the term on the real picture is missing": 0.5 * made.square().mean(),
        "the term on the made picture is missing": 0.5 * (real - 1).square().mean(),
    }
    of_g = {
        "the generator wants 1 for what it made, not 0": made.square().mean(),
        "only D's loss is halved": loss_g / 2,
        "the generator pays for what it made, not for the real picture": (real - 1).square().mean(),
    }
    return both, of_d, of_g


# --- one step, before and after the switch -------------------------------------------------------------------------


class _Game(nn.Module):
    """Six small networks. Called with a and b it returns what the losses of a step need."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.g_ab, self.g_ba = _painter(dtype), _painter(dtype)
        self.attention_a, self.attention_b = _looker(dtype), _looker(dtype)
        self.d = nn.ModuleDict({"a": _critic(dtype), "b": _critic(dtype)})

    def forward(self, a: Tensor, b: Tensor) -> Scene:
        map_a, map_b = self.attention_a(a), self.attention_b(b)
        fake_b, fake_a = compose(a, self.g_ab(a), map_a), compose(b, self.g_ba(b), map_b)
        back = compose(fake_b, self.g_ba(fake_b), self.attention_b(fake_b))
        return {"a": a, "b": b, "map_a": map_a, "map_b": map_b, "fake_a": fake_a, "fake_b": fake_b, "cycled_a": back}

    def group(self, name: str) -> list[nn.Parameter]:
        networks = {
            "generators": (self.g_ab, self.g_ba),
            "attention": (self.attention_a, self.attention_b),
            "discriminators": (self.d,),
        }[name]
        return [parameter for network in networks for parameter in network.parameters()]


GROUPS = ("generators", "attention", "discriminators")
STILL = ("generators", "discriminators")  # who still moves after the switch


def _sides(net: _Game, scene: Scene, attended: bool) -> list[tuple[Tensor, Tensor]]:
    """What D and the generator minimise on either side. Every map reaches 0, so by that threshold D sees all."""
    seen = 0.5 if attended else 0.0
    return [
        reference_side(net.d[one], scene[one], scene["map_" + one], scene["fake_" + one], scene["map_" + other], seen)
        for one, other in ("ab", "ba")
    ]


def reference_loss_g(net: _Game, scene: Scene, attended: bool) -> Tensor:
    """What generators and attention networks minimise together; if attended, D sees attended pixels only."""
    (_, to_a), (_, to_b) = _sides(net, scene, attended)
    return to_a + to_b + 3 * losses.l1(scene["cycled_a"], scene["a"])


def reference_loss_d(net: _Game, scene: Scene, attended: bool) -> Tensor:
    """What both discriminators minimise; if attended, on attended pixels only."""
    (of_a, _), (of_b, _) = _sides(net, scene, attended)
    return of_a + of_b


@task(STEP)
def check_training_step(
    answer: Callable[..., object],
    *,
    steps: int = 5,
    switch: int = 2,
    batch: int = 2,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
) -> None:
    """Task 5: (net, optimisers, a, b, step, switch, loss_g, loss_d): a step, before the switch or after it."""
    game = _Game(dtype)
    pairs = [_pictures(2, batch, side, dtype) for _ in range(steps)]
    expected = _after(_step, game, pairs, switch, optimiser)
    mine = _after(answer, game, pairs, switch, optimiser)
    if equal_parameters(mine, expected):
        return
    for sentence, wrong in _STEP_MISTAKES.items():
        if equal_parameters(mine, _after(partial(_step, **wrong), game, pairs, switch, optimiser)):
            raise Wrong(sentence)
    for name in GROUPS:
        moved = any(not torch.equal(p, q) for p, q in zip(mine.group(name), game.group(name), strict=True))
        if not moved and (name != "attention" or switch):
            raise Wrong(f"no step moves the {name.replace('attention', 'attention networks')}")
    raise Wrong(f"after {steps} steps, with the switch before step {switch}, the weights are not those of AGGAN")


def _after(
    step: Callable[..., object],
    game: _Game,
    pairs: list[list[Tensor]],
    switch: int,
    optimiser: Callable[..., torch.optim.Optimizer],
) -> _Game:
    """The networks after a step with each pair; those that are given stay as they were."""
    net = deepcopy(game)
    optimisers = {name: optimiser(net.group(name), lr=0.02) for name in GROUPS}
    for number_of, (a, b) in enumerate(pairs):
        step(net, optimisers, a, b, number_of, switch, reference_loss_g, reference_loss_d)
    return net


def _step(
    net: _Game,
    optimisers: Mapping[str, torch.optim.Optimizer],
    a: Tensor,
    b: Tensor,
    step: int,
    switch: int,
    loss_g: Callable[..., Tensor],
    loss_d: Callable[..., Tensor],
    *,
    early: tuple[str, ...] = GROUPS,
    late: tuple[str, ...] = STILL,
    shift: int = 0,
    opposite: bool = False,
    shown: Callable[[str, bool], bool] = lambda player, after: after,
    players: str = "gd",
    clear: tuple[str, ...] = GROUPS,
    once: bool = False,
    zeroed: bool = False,
    anew: bool = False,
) -> None:
    """A step of AGGAN. The arguments by name make it wrong: who moves when, what D is shown, what is cleared.

    ``once``: gradients are cleared at the beginning and not between the turns; ``zeroed``: after the switch attention
    keeps its turn, with gradients of zero.
    """
    after = (step >= switch + shift) != opposite
    moving = late if after else early
    scene = net(a, b)
    for name in clear if once else ():
        optimisers[name].zero_grad()
    for player in players:
        names = ("discriminators",) if player == "d" else ("generators", "attention")
        for name in names:
            if name in clear and not once:
                optimisers[name].zero_grad()
        if anew and player == "d":
            scene = net(a, b)
        loss = loss_d if player == "d" else loss_g
        loss(net, scene, shown(player, after)).backward(retain_graph=True)
        for name in names:
            if name in moving:
                optimisers[name].step()
            elif zeroed and name == "attention":
                optimisers[name].zero_grad(set_to_none=False)
                optimisers[name].step()


_BEFORE = "cleared: those of the steps before are still in them"
_STEP_MISTAKES: dict[str, dict[str, Any]] = {
    "the switch comes one step too late: step == switch is the first step after it": {"shift": 1},
    "the switch comes one step too early: step == switch is the first step after it": {"shift": -1},
    "the phases are exchanged: attended pixels and frozen attention come second": {"opposite": True},
    "the attention networks go on moving after the switch; from then on they are frozen": {"late": GROUPS},
    "nothing changes at the switch: D must see attended pixels, and the attention networks must stand still": {
        "shown": lambda player, after: False,
        "late": GROUPS,
    },
    "the attention networks learn after the switch, not before it; it is the other way round": {
        "early": STILL,
        "late": GROUPS,
    },
    "the attention networks never move; before the switch they learn with the generators": {"early": STILL},
    "the attention networks have gradients of zero after the switch, but Adam's memory moves them on: leave out "
    "their step": {"zeroed": True},
    "the generators are frozen as well; after the switch only the attention networks are": {"late": GROUPS[2:]},
    "the discriminators are frozen as well; after the switch only the attention networks are": {"late": GROUPS[:1]},
    "the generators are frozen in the place of the attention networks": {"late": GROUPS[1:]},
    "the discriminators are shown whole pictures all the time; after the switch both losses are attended": {
        "shown": lambda player, after: False
    },
    "the discriminators are shown attended pixels from the first step on; an untaught map hides the wrong things": {
        "shown": lambda player, after: True
    },
    "the generators still pay for whole pictures after the switch: loss_g needs `attended`, too": {
        "shown": lambda player, after: after and player == "d"
    },
    "the discriminators still learn from whole pictures after the switch: loss_d needs `attended`, too": {
        "shown": lambda player, after: after and player == "g"
    },
    "D learns first; in AGGAN the generators and the attention networks do": {"players": "dg"},
    "D's gradients are not cleared before its turn: those of G's loss, which would fool D, are still in them": {
        "clear": GROUPS[:2]
    },
    "G's loss has left gradients in the discriminators: clear those between the two turns": {"once": True},
    f"the generators' gradients are not {_BEFORE}": {"clear": GROUPS[1:]},
    f"the generators' and the attention networks' gradients are not {_BEFORE}": {"clear": GROUPS[2:]},
    f"the attention networks' gradients are not {_BEFORE}": {"clear": STILL},
    f"no gradients are {_BEFORE}": {"clear": ()},
    "D learns from pictures made anew; it gets those of this step, made before the generators moved": {"anew": True},
}

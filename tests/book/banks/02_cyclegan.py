"""Answers to assignment 2: plausible wrong ones with words of the feedback that they must get, and other right ones.

An answer is the text of the whole cell, or a list of (old, new) to change in the solution.
"""
# fmt: off

WRONG = {
    "by-hand": {
        "a sum": ("their mean", [("cycle = 10 *", "cycle = 30 *")]),
        "no weight": ("weight is missing", [("cycle = 10 *", "cycle =")]),
        "forward alone": ("forward half alone", [("both_errors(way_back_a, way_back_b)", "both_errors(way_back_a, b)")]),
        "backward alone": ("backward half alone", [("both_errors(way_back_a, way_back_b)", "both_errors(a, way_back_b)")]),
        "averaged": ("each with its weight of 10", [("cycle = 10 *", "cycle = 5 *")]),
        "the other order": ("other order", [("own.back * (own.times * a) + own.plus", "own.times * (own.back * a + own.plus)"), ("way_back_b = own.times * (own.back * b + own.plus)", "way_back_b = own.back * (own.times * b) + own.plus")]),
        "squared": ("squared", [("(like_a - a).abs()", "(like_a - a).square()"), ("(like_b - b).abs()", "(like_b - b).square()")]),
        "one way": ("translations with the pictures", [("own.back * (own.times * a) + own.plus", "own.times * a"), ("own.times * (own.back * b + own.plus)", "own.back * b + own.plus")]),
        "identity with the whole weight": ("half of the cycle's", [("identity = 5", "identity = 10")]),
        "identity of the wrong piles": ("other way round", [("both_errors(own.back * a + own.plus, own.times * b)", "both_errors(own.times * a, own.back * b + own.plus)")]),
        "identity of F alone": ("F's half alone", [("own.plus, own.times * b)", "own.plus, b)")]),
        "identity as a way back": ("translate once", [("both_errors(own.back * a + own.plus, own.times * b)", "both_errors(way_back_a, way_back_b)")]),
        "of another": ("is not", [("cycle = 10 *", "cycle = 0.123 + 10 *")]),
    },
    "adversarial": {
        "not halved": ("did not halve", [("0.5 * (", "(")]),
        "both halved": ("G's term is not halved", [("for_g = (", "for_g = 0.5 * (")]),
        "a sum": ("you summed", [("mean()", "sum()")]),
        "labels exchanged": ("exchanged", [("(on_real - 1).square().mean() + on_fake.square().mean()", "on_real.square().mean() + (on_fake - 1).square().mean()")]),
        "helps D": ("help D", [("(discriminator(fake) - 1)", "discriminator(fake)")]),
        "no detach": ("detach it", [("discriminator(fake.detach())", "discriminator(fake)")]),
        "one judgement for both": ("no gradient", [("for_g = (discriminator(fake) - 1)", "for_g = (on_fake - 1)")]),
        "everything detached": ("no gradient", [("return for_d", "return for_d.detach()")]),
        "D's number of the made picture without D": ("gradient", [("discriminator(fake.detach())\n", "discriminator(fake).detach()\n")]),
        "cross entropy": ("cross entropy", """def adversarial(discriminator, real, fake):
    softplus = torch.nn.functional.softplus
    for_d = 0.5 * (softplus(-discriminator(real)).mean() + softplus(discriminator(fake.detach())).mean())
    return for_d, softplus(-discriminator(fake)).mean()
"""),
        "probabilities": ("sigmoid is applied", [("discriminator(real), discriminator(fake.detach())", "discriminator(real).sigmoid(), discriminator(fake.detach()).sigmoid()")]),
        "absolute values": ("absolute values", [(".square()", ".abs()")]),
        "minus D's": ("a term of its own", [("for_g = (discriminator(fake) - 1).square().mean()", "for_g = -0.5 * ((discriminator(real) - 1).square().mean() + discriminator(fake).square().mean())")]),
        "the other order": ("comes first", [("return for_d, for_g", "return for_g, for_d")]),
        "a pair": ("there are no pairs", [("discriminator(real), discriminator(fake.detach())", "discriminator(torch.cat([real, real], 1)), discriminator(torch.cat([real, fake.detach()], 1))")]),
        "D's alone": ("expected two", [("return for_d, for_g", "return for_d")]),
        "single precision": ("torch.float32; expected torch.float64", [("return for_d, for_g", "return for_d.float(), for_g")]),
        "the check's own": ("package's own function", "adversarial = tasks.reference_adversarial\n"),
        "the check's losses": ("plain PyTorch", [("0.5 * ((on_real - 1).square().mean() + on_fake.square().mean())", "tasks.loss_d(on_real, on_fake)")]),
    },
    "round-trips": {
        "identity of the wrong piles": ("asks it not to translate", [("(g_ba(a) - a)", "(g_ab(a) - a)"), ("(g_ab(b) - b)", "(g_ba(b) - b)")]),
        "the other order": ("other order", [("g_ba(g_ab(a)) - a", "g_ab(g_ba(a)) - a"), ("g_ab(g_ba(b)) - b", "g_ba(g_ab(b)) - b")]),
        "translations": ("take the way back", [("g_ba(g_ab(a))", "g_ab(a)"), ("g_ab(g_ba(b))", "g_ba(b)")]),
        "forward alone": ("cycle b, a, b is missing", [("cycle_a + cycle_b", "cycle_a")]),
        "backward alone": ("cycle a, b, a is missing", [("cycle_a + cycle_b", "cycle_b")]),
        "no identity": ("identity terms are missing", [(" + weight / 2 * (identity_a + identity_b)", "")]),
        "identity with the whole weight": ("all of it", [("weight / 2", "weight")]),
        "identity with 5": ("always 5", [("weight / 2", "5")]),
        "always 10": ("always 10", [("weight / 2", "5"), ("weight * (c", "10 * (c")]),
        "no weight": ("weight is missing", [("weight * (c", "(c"), ("weight / 2 * ", "")]),
        "averaged": ("not averaged", [("return weight * (cycle_a + cycle_b) + weight / 2 * (identity_a + identity_b)", "return (weight * (cycle_a + cycle_b) + weight / 2 * (identity_a + identity_b)) / 2")]),
        "a sum": ("you summed", [("mean()", "sum()")]),
        "squared": ("squared", [("abs()", "square()")]),
        "the way there detached": ("has to move both", [("g_ba(g_ab(a))", "g_ba(g_ab(a).detach())"), ("g_ab(g_ba(b))", "g_ab(g_ba(b).detach())")]),
        "a number": ("expected a tensor", [("return weight * (cycle_a + cycle_b) + weight / 2 * (identity_a + identity_b)", "return float(weight * (cycle_a + cycle_b) + weight / 2 * (identity_a + identity_b))")]),
        "the visible size": ("expected", [("(g_ba(a) - a).abs().mean()", "(g_ba(a) - a).abs().sum() / 384")]),
    },
    "pool": {
        "never exchanging": ("never changes again", [("fake, stored[place] = stored[place], fake", "fake = stored[place]")]),
        "no pool": ("keeps every new one", """def pool(stored, fakes, size):
    return fakes.detach()
"""),
        "the newest alone": ("newest fakes alone", [("elif size > 0 and torch.rand(()) < 0.5:", "elif False:")]),
        "no coin": ("never shown a new picture", [("elif size > 0 and torch.rand(()) < 0.5:", "elif size > 0:")]),
        "stored every time": ("stored, too", """def pool(stored, fakes, size):
    shown = []
    for fake in fakes.detach():
        old = fake
        if len(stored) < size:
            stored.append(fake)
        elif size > 0:
            place = int(torch.randint(size, ()))
            old = stored[place] if torch.rand(()) < 0.5 else fake
            stored[place] = fake
        shown.append(old)
    return torch.stack(shown)
"""),
        "growing for ever": ("its size is", [("fake, stored[place] = stored[place], fake", "stored.append(fake)\n            fake = stored[place]")]),
        "a coin while it fills": ("while the pool fills", [("if len(stored) < size:\n            stored.append(fake)", "if len(stored) < size:\n            stored.append(fake)\n            fake = stored[int(torch.randint(len(stored), ()))]")]),
        "the oldest": ("always the oldest", [("place = int(torch.randint(size, ()))\n            fake, stored[place] = stored[place], fake", "stored.append(fake)\n            fake = stored.pop(0)")]),
        "always one place": ("draw one at random", [("int(torch.randint(size, ()))", "0")]),
        "the last place left out": ("far more often", [("torch.randint(size, ())", "torch.randint(max(size - 1, 1), ())")]),
        "a quarter": ("probability is one half", [("< 0.5", "< 0.25")]),
        "one coin for the batch": ("coin of its own", [("shown = []", "shown, coin = [], torch.rand(())"), ("torch.rand(()) < 0.5", "coin < 0.5")]),
        "graphs kept": ("carries a graph", [("fakes.detach()", "fakes")]),
        "graphs stored": ("with their graphs", [("fakes.detach()", "fakes"), ("torch.stack(shown)", "torch.stack(shown).detach()")]),
        "a list": ("expected the pictures", [("torch.stack(shown)", "shown")]),
        "written into the fakes": ("write into a copy", """def pool(stored, fakes, size):
    shown = fakes.detach()
    for n in range(len(shown)):
        if len(stored) < size:
            stored.append(shown[n].clone())
        elif size > 0 and torch.rand(()) < 0.5:
            place = int(torch.randint(size, ()))
            new = shown[n].clone()
            shown[n] = stored[place]
            stored[place] = new
    return shown
"""),
        "a view is stored": ("write into a copy", """def pool(stored, fakes, size):
    shown = fakes.detach()
    for n, fake in enumerate(shown):
        if len(stored) < size:
            stored.append(fake)
        elif size > 0 and torch.rand(()) < 0.5:
            place = int(torch.randint(size, ()))
            shown[n], stored[place] = stored[place], fake
    return shown
"""),
        "no size 0": ("your answer raised", [("elif size > 0 and torch.rand", "elif torch.rand")]),
        "the size of the paper": ("its size is", [("len(stored) < size", "len(stored) < 50")]),
        "removed and not replaced": ("none has come in", [("fake, stored[place] = stored[place], fake", "fake = stored.pop(place)")]),
        "the package's": ("plain PyTorch", """from i2i_tutor.nn import ImagePool
own_pool = ImagePool(8)

def pool(stored, fakes, size):
    (shown,) = own_pool.query(fakes)
    stored[:] = own_pool.slot0[: int(own_pool.count)]
    return shown
"""),
    },
    "side": {
        "hers": ("no graph", "side = sick_side\n"),
        "no pool": ("newest fake", [("discriminator(pool(fake))", "discriminator(fake.detach())")]),
        "no pool, no detach": ("newest fake", [("discriminator(pool(fake))", "discriminator(fake)")]),
        "the pool for G alone": ("newest fake", [("discriminator(pool(fake))", "discriminator(fake.detach())"), ("loss_g(discriminator(fake))", "loss_g(discriminator(pool(fake)))")]),
        "asked twice": ("more than once", [("return for_d, loss_g(discriminator(fake))", "return for_d, loss_g(discriminator(pool(fake)))")]),
        "detached for G": ("detached on its way", [("loss_g(discriminator(fake))", "loss_g(discriminator(fake.detach()))")]),
        "the other order": ("comes first", [("return for_d, loss_g(discriminator(fake))", "return loss_g(discriminator(fake)), for_d")]),
        "real and made exchanged": ("exchanged", [("loss_d(discriminator(real), discriminator(pool(fake)))", "loss_d(discriminator(pool(fake)), discriminator(real))")]),
        "a pool of real pictures": ("pool of fakes", [("discriminator(real), discriminator(pool(fake))", "discriminator(pool(real)), discriminator(fake.detach())")]),
        "G pays for the real one": ("no influence", [("loss_g(discriminator(fake))", "loss_g(discriminator(real))")]),
        "D learns nothing": ("D learns nothing", [("return for_d", "return for_d.detach()")]),
        "D's alone": ("expected two", [("return for_d, loss_g(discriminator(fake))", "return for_d")]),
        "the check's own": ("package's own function", "side = tasks.reference_side\n"),
    },
    "training-step": {
        "the discriminators first": ("generators play first", """def training_step(model, adam_g, adam_d, a, b, loss_g, loss_d, trips):
    fake_b, fake_a = model.g_ab(a), model.g_ba(b)
    adam_d.zero_grad()
    of_a = loss_d(model.d_a(a), model.d_a(fake_a.detach()))
    (of_a + loss_d(model.d_b(b), model.d_b(fake_b.detach()))).backward()
    adam_d.step()
    adam_g.zero_grad()
    gan = loss_g(model.d_b(fake_b)) + loss_g(model.d_a(fake_a))
    (gan + trips(model.g_ab, model.g_ba, a, b)).backward()
    adam_g.step()
"""),
        "D's gradients kept": ("discriminators' gradients are not cleared", [("adam_d.zero_grad()", "pass")]),
        "G's gradients kept": ("generators' gradients are not cleared", [("adam_g.zero_grad()", "pass")]),
        "nothing cleared": ("no gradients are cleared", [("adam_d.zero_grad()", "pass"), ("adam_g.zero_grad()", "pass")]),
        "cleared too early": ("cleared too early", [("    adam_d.zero_grad()\n", ""), ("    adam_g.zero_grad()", "    adam_g.zero_grad()\n    adam_d.zero_grad()")]),
        "no detach": ("detach the fakes", [("fake_a.detach()", "fake_a"), ("fake_b.detach()", "fake_b")]),
        "fakes made anew": ("made anew", [("    adam_d.zero_grad()", "    fake_b, fake_a = model.g_ab(a), model.g_ba(b)\n    adam_d.zero_grad()")]),
        "each other's fakes": ("each other's fakes", [("model.d_a(fake_a.detach())", "model.d_a(fake_b.detach())"), ("model.d_b(fake_b.detach())", "model.d_b(fake_a.detach())")]),
        "one discriminator": ("d_b does not learn", [("(of_a + of_b).backward()", "of_a.backward()")]),
        "no trips": ("do not pay the trips", [("(gan + trips(model.g_ab, model.g_ba, a, b)).backward()", "gan.backward()")]),
        "one GAN term": ("g_ba pays nothing", [(" + loss_g(model.d_a(fake_a))", "")]),
        "no step of G": ("generators never move", [("adam_g.step()", "pass")]),
        "no step of D": ("discriminators never move", [("adam_d.step()", "pass")]),
        "the generators judged by the wrong side": ("wrong discriminators", [("loss_g(model.d_b(fake_b)) + loss_g(model.d_a(fake_a))", "loss_g(model.d_a(fake_b)) + loss_g(model.d_b(fake_a))")]),
    },
}

RIGHT = {
    "by-hand": {
        "loops": """def mean_error(f, values):
    return sum(abs(f(v) - v) for v in values) / len(values)

def G(x):
    return own.times * x

def F_(y):
    return own.back * y + own.plus

cycle = 10 * mean_error(lambda x: F_(G(x)), own.a) + 10 * mean_error(lambda y: G(F_(y)), own.b)
identity = torch.tensor(5 * (mean_error(F_, own.a) + mean_error(G, own.b)))
""",
    },
    "adversarial": {
        "mse_loss, and a list": """def adversarial(discriminator, real, fake):
    mse = torch.nn.functional.mse_loss
    with torch.no_grad():
        copy = fake.clone()
    made, on_real, on_copy = discriminator(fake), discriminator(real), discriminator(copy)
    return [(mse(on_real, torch.ones_like(on_real)) + mse(on_copy, torch.zeros_like(on_copy))) / 2, mse(made, torch.ones_like(made))]
""",
        "both in one batch": """def adversarial(discriminator, real, fake):
    on_real, on_fake = discriminator(torch.cat([real, fake.detach()])).chunk(2)
    return ((1 - on_real) ** 2 + on_fake ** 2).mean() / 2, ((1 - discriminator(fake)) ** 2).mean()
""",
    },
    "round-trips": {
        "l1_loss": """def round_trips(g_ab, g_ba, a, b, weight):
    l1, total = torch.nn.functional.l1_loss, 0
    for there, back, x in ((g_ab, g_ba, a), (g_ba, g_ab, b)):
        total = total + weight * l1(back(there(x)), x) + 0.5 * weight * l1(back(x), x)
    return total
""",
    },
    "pool": {
        "the module random, and batches of one": """import random

def pool(stored, fakes, size):
    answers = fakes.detach().clone()
    for n in range(len(answers)):
        if len(stored) < size:
            stored.append(answers[n : n + 1].clone())
        elif size and random.random() > 0.5:
            old = stored.pop(random.randrange(size))
            stored.append(answers[n : n + 1].clone())
            answers[n] = old[0]
    return answers
""",
        "without gradients": """@torch.no_grad()
def pool(stored, fakes, size):
    if size == 0:
        return fakes.detach()
    out = []
    for one in fakes.clone():
        if len(stored) < size:
            stored.append(one)
            out.append(one)
        elif torch.randint(2, (1,)).item():
            out.append(one)
        else:
            place = torch.randperm(size)[0].item()
            out.append(stored[place])
            stored[place] = one
    return torch.stack(out)
""",
    },
    "side": {
        "G first, detached before the pool, and a list": """def side(discriminator, real, fake, pool, loss_d, loss_g):
    for_g = loss_g(discriminator(fake))
    with torch.no_grad():
        shown = pool(fake.detach())
    return [loss_d(discriminator(real), discriminator(shown)), for_g]
""",
    },
    "training-step": {
        "gradients to the players alone": """def training_step(model, adam_g, adam_d, a, b, loss_g, loss_d, trips):
    fake_b, fake_a = model.g_ab(a), model.g_ba(b)
    pays_g = loss_g(model.d_b(fake_b)) + loss_g(model.d_a(fake_a)) + trips(model.g_ab, model.g_ba, a, b)
    pays_d = loss_d(model.d_b(b), model.d_b(fake_b.detach())) + loss_d(model.d_a(a), model.d_a(fake_a.detach()))
    gens, judges = ([*one.parameters(), *two.parameters()] for one, two in ((model.g_ab, model.g_ba), (model.d_a, model.d_b)))
    for adam, pays, players in ((adam_g, pays_g, gens), (adam_d, pays_d, judges)):
        for p, g in zip(players, torch.autograd.grad(pays, players)):
            p.grad = g
        adam.step()
""",
        "two calls of backward": """def training_step(model, adam_g, adam_d, a, b, loss_g, loss_d, trips):
    sides = [(model.d_a, a, model.g_ba(b)), (model.d_b, b, model.g_ab(a))]
    trips(model.g_ab, model.g_ba, a, b).backward()
    for judge, _, fake in sides:
        loss_g(judge(fake)).backward(retain_graph=True)
    adam_g.step()
    adam_g.zero_grad()
    adam_d.zero_grad()
    for judge, real, fake in sides:
        loss_d(judge(real), judge(fake.detach())).backward()
    adam_d.step()
    adam_d.zero_grad()
""",
    },
}

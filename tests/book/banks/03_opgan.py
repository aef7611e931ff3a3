"""Answers to assignment 3: plausible wrong ones with words of the feedback that they must get, and other right ones.

An answer is the text of the whole cell, or a list of (old, new) to change in the solution.
"""
# fmt: off

LAST_MAPS = "    return (maps[0] - maps[1]).square().mean()"
ENTROPY = "F.cross_entropy(scores.flatten(0, 1), classes.repeat(len(scores)))"
KINDS = "[(0, 2, 1)[each] for each in days]"
FIND = "F.cross_entropy(scores.flatten(0, 1), places.flatten())"

WRONG = {
    "by-hand": {
        "a sum of pixels": ("content: that is the sum over the pixels", [(".square().mean())", ".square().sum())")]),
        "absolute differences": ("content: those are absolute differences", [(".square().mean())", ".abs().mean())")]),
        "a root": ("content: that is the root", [(".square().mean())", ".square().mean().sqrt())")]),
        "the mean first": ("content: that is the square of the mean", [(".square().mean())", ".mean() ** 2)")]),
        "the side of the patch": ("content: you divided by the side", [(".square().mean())", ".square().sum() / 2)")]),
        "a half": ("content: a half is too much", [(".square().mean())", ".square().mean() / 2)")]),
        "a sum of pairs": ("domain: that is the sum over the two pairs", [("log().mean()", "log().sum()")]),
        "D1 for D2": ("domain: D1 and D2 are exchanged", [("0 if j < 9 else 1 if", "1 if j < 9 else 0 if")]),
        "C2 as D1": ("domain: one of each is class C", [("else 2 for", "else 0 for")]),
        "no logarithm": ("domain: the logarithm is missing", [("-float(torch.stack(shares).log()", "float(torch.stack(shares)")]),
        "no minus": ("domain: the sign is wrong", [("-float(", "float(")]),
        "one pair": ("domain: only the first pair", [("torch.stack(shares)", "shares[0]")]),
        "base 10": ("domain: that is the logarithm to base 10", [(".log()", ".log10()")]),
        "a tensor": ("expected a number", [("float((own.map_a - own.map_b).square().mean())", "(own.map_a - own.map_b).square()")]),
    },
    "draw-pairs": {
        "places drawn freely": ("drawn freely, and then they are seldom equal", [("    place = k if torch.rand(()) < 0.5 else m\n", "    k, place = torch.randint(cells, (2,)).tolist()\n")]),
        "always C1": ("always of kind C1", [("place = k if torch.rand(()) < 0.5 else m", "place = k")]),
        "always C2": ("always of kind C2", [("place = k if torch.rand(()) < 0.5 else m", "place = m")]),
        "too many C1": ("of the third pairs are of kind C1", [("< 0.5", "< 0.8")]),
        "the day's numbers forgotten": ("is of kind D1; expected D2", [("(i + cells, j + cells)", "(i, j)")]),
        "the day's number forgotten once": ("is of kind D1; expected C1 or C2", [("place + cells", "(place + 1) % cells if place == k else place")]),
        "one patch twice": ("is one patch twice", [("i, j = torch.randperm(cells)[:2].tolist()", "i, j = torch.randint(cells, (2,)).tolist()")]),
        "the last is never drawn": ("place 8 is drawn 0 times", [("randperm(cells)", "randperm(cells - 1)")]),
        "neighbours alone": ("all pairs of places are possible", [("i, j = torch.randperm(cells)[:2].tolist()", "i = int(torch.randint(cells, ()))\n    j = (i + 1) % cells")]),
        "C2 of neighbours": ("join only some of the places", [("else m", "else (k + 1) % cells")]),
        "nine for any grid": ("the night has the patches 0 to 3", [("cells = grid**2", "cells = 9")]),
        "from 1": ("the night has the patches 0 to 8", [("[(i, j), (i + cells, j + cells)", "[(i + 1, j + 1), (i + cells + 1, j + cells + 1)")]),
        "the day first": ("begins with the day's patch", [("(k, place + cells)", "(place + cells, k)")]),
        "always the same": ("all calls draw the same pairs", [("    cells = grid**2\n", "    cells = grid**2\n    torch.manual_seed(0)\n")]),
        "one C and one D": ("2 pairs are drawn; expected three", [("(i + cells, j + cells), ", "")]),
        "all in one list": ("6 pairs are drawn", [("[(i, j), (i + cells, j + cells), (k, place + cells)]", "[i, j, i + cells, j + cells, k, place + cells]")]),
        "numbers alone": ("expected two whole numbers", [("[(i, j), ", "[i, ")]),
        "fractions": ("expected two whole numbers", [("(i, j)", "(float(i), float(j))")]),
        "the package's": ("plain PyTorch", "from i2i_tutor.methods.opgan import balanced_pairs\ndraw_pairs = lambda grid: balanced_pairs()\n"),
    },
    "content-term": {
        "raw maps": ("not standardised", [("maps.append(centred / (variance + 1e-3).sqrt())", "maps.append(raw)")]),
        "no variance": ("variance of the maps is not made 1", [("maps.append(centred / (variance + 1e-3).sqrt())", "maps.append(centred)")]),
        "no mean": ("mean of the maps is not taken away", [("maps.append(centred / ", "maps.append(raw / ")]),
        "over the nine": ("the nine maps of a picture share", [("(-2, -1), keep", "(-3, -2, -1), keep")]),
        "over the batch": ("all maps of the batch share", [("(-2, -1), keep", "(0, 1, 2, 3), keep")]),
        "one less": ("pixels less one", [("centred.square().mean(", "raw.var(")]),
        "beside the root": ("1e-3 stands beside the root", [("(variance + 1e-3).sqrt()", "(variance.sqrt() + 1e-3)")]),
        "no 0.001": ("1e-3 is missing", [("(variance + 1e-3)", "variance")]),
        "a sum over places": ("summed over the nine patches", [(LAST_MAPS, LAST_MAPS + " * 9")]),
        "a sum": ("summed over everything", [(LAST_MAPS, LAST_MAPS.replace("mean", "sum"))]),
        "absolute": ("absolute differences", [(LAST_MAPS, LAST_MAPS.replace("square", "abs"))]),
        "a root": ("the root of it", [(LAST_MAPS, LAST_MAPS + ".sqrt()")]),
        "columns first in one": ("the other column by column", [(LAST_MAPS, "    maps[1] = maps[1].unflatten(1, (3, 3)).transpose(1, 2).flatten(1, 2)\n" + LAST_MAPS)]),
        "torn patches": ("patches are torn", [("content(cells.flatten(1, 2))", "content(images[..., : 3 * h, : 3 * w].reshape(len(images), 9, 3, h, w))")]),
        "whole pictures": ("S is shown tensors", [("content(cells.flatten(1, 2))", "content(images)")]),
        "nothing dropped": ("S is shown tensors", """def content_term(content, in_a, in_b):
    total = 0
    for rows_a, rows_b in zip(in_a.tensor_split(3, 2), in_b.tensor_split(3, 2)):
        for a, b in zip(rows_a.tensor_split(3, 3), rows_b.tensor_split(3, 3)):
            one, two = ((m - m.mean((1, 2), keepdim=True)) / (m.var((1, 2), keepdim=True, correction=0) + 1e-3).sqrt() for m in (content(a), content(b)))
            total = total + (one - two).square().mean() / 9
    return total
"""),
        "in_a detached": ("no gradient reaches in_a", [(LAST_MAPS, LAST_MAPS.replace("maps[0]", "maps[0].detach()"))]),
        "in_b detached": ("no gradient reaches in_b", [(LAST_MAPS, LAST_MAPS.replace("maps[1]", "maps[1].detach()"))]),
        "the variance detached": ("gradient of in_a is not", [("(variance + 1e-3)", "(variance.detach() + 1e-3)")]),
        "no gradient": ("carries no gradient", [("        raw = content(cells.flatten(1, 2))", "        with torch.no_grad():\n            raw = content(cells.flatten(1, 2))")]),
        "one number per picture": ("take the mean", [(LAST_MAPS, LAST_MAPS.replace("mean()", "mean((1, 2, 3))"))]),
        "single precision": ("torch.float32; expected torch.float64", [(LAST_MAPS, LAST_MAPS + ".float()")]),
    },
    "domain-loss": {
        "D1 for D2": ("D1 and D2 are exchanged", [("(0, 2, 1)", "(1, 2, 0)")]),
        "C in the middle": ("behind D1 and D2", [("(0, 2, 1)", "(0, 1, 2)")]),
        "C1 alone": ("C2 are left out", """def domain_loss(scores, pairs):
    kept = [n for n, (i, j) in enumerate(pairs) if abs(i - j) == 9 or (i < 9) == (j < 9)]
    classes = torch.tensor([2 if abs(i - j) == 9 else int(i >= 9) for i, j in (pairs[n] for n in kept)])
    return F.cross_entropy(scores[:, kept].flatten(0, 1), classes.repeat(len(scores)))
"""),
        "C2 as D1": ("C2 are counted as D1", [(KINDS, "[2 if abs(i - j) == 9 else 1 if min(i, j) > 8 else 0 for i, j in pairs]")]),
        "nine at night": ("patch 9 is the day's first", [(">= 9", "> 9")]),
        "eight by day": ("patch 8 is the night's last", [(">= 9", ">= 8")]),
        "other order": ("classes stand in another order", [("classes.repeat(len(scores))", "classes.repeat_interleave(len(scores))")]),
        "a sum": ("summed over pictures and pairs", [("repeat(len(scores)))", "repeat(len(scores)), reduction='sum')")]),
        "a sum over pairs": ("summed over the pairs", [(ENTROPY, ENTROPY + " * len(pairs)")]),
        "over the classes, too": ("not over the three classes", [(ENTROPY, ENTROPY + " / 3")]),
        "the first picture": ("only the first picture", [(ENTROPY, "F.cross_entropy(scores[0], classes)")]),
        "the first pair": ("only the first pair", [(ENTROPY, "F.cross_entropy(scores[:, 0], classes[:1].repeat(len(scores)))")]),
        "softmax twice": ("softmax is taken twice", [("F.cross_entropy(scores.", "F.cross_entropy(scores.softmax(-1).")]),
        "no minus": ("sign is wrong", [("F.cross_entropy(", "-F.cross_entropy(")]),
        "no logarithm": ("logarithm is missing", [("F.cross_entropy(scores.", "F.nll_loss(scores.softmax(-1).")]),
        "four classes": ("your answer raised", [(KINDS, "[3 if each == 1 and abs(i - j) != 9 else (0, 2, 1)[each] for each, (i, j) in zip(days, pairs)]")]),
        "the pairs of the visible test": ("your answer raised ValueError", [(KINDS, "[0, 1, 2, 2, 0]")]),
        "probabilities": ("logarithm of zero", [(ENTROPY, "-scores.softmax(-1).flatten(0, 1).log()[range(len(scores) * len(pairs)), classes.repeat(len(scores))].mean()")]),
        "detached": ("carries no gradient", [("scores.flatten(0, 1)", "scores.detach().flatten(0, 1)")]),
    },
    "training-step": {
        "S's gradients kept": ("the gradients of S are not cleared", [("adam[siamese].zero_grad()", "pass")]),
        "D's gradients kept": ("the gradients of the discriminators are not cleared", [("adam[discriminators].zero_grad()", "pass")]),
        "both kept": ("of S and the discriminators are not cleared", [("adam[siamese].zero_grad()", "pass"), ("adam[discriminators].zero_grad()", "pass")]),
        "the generators' kept": ("the gradients of the generators are not cleared", [("adam[generators].zero_grad()", "pass")]),
        "nothing cleared": ("no gradients are cleared", [("adam[siamese].zero_grad()", "pass"), ("adam[discriminators].zero_grad()", "pass"), ("adam[generators].zero_grad()", "pass")]),
        "cleared at the beginning": ("at the beginning alone", [("adam[siamese].zero_grad()", "pass"), ("adam[discriminators].zero_grad()", "pass"), ("    fake_a, fake_b = generators(a, b)\n", "    fake_a, fake_b = generators(a, b)\n    adam[siamese].zero_grad()\n    adam[discriminators].zero_grad()\n")]),
        "painted again": ("shown new pictures", [("    fake_a, fake_b = fake_a.detach(), fake_b.detach()", "    with torch.no_grad():\n        fake_a, fake_b = generators(a, b)")]),
        "not detached": ("your answer raised RuntimeError", [("fake_a, fake_b = fake_a.detach(), fake_b.detach()", "pass")]),
        "no content": ("no gradient of the content term", [("        loss_g = loss_g + weight * terms.content(siamese, in_a, in_b)\n", "")]),
        "detached content": ("no gradient of the content term", [("weight * terms.content(siamese, in_a, in_b)", "weight * terms.content(siamese, in_a.detach(), in_b.detach())")]),
        "no domain": ("no gradient of the domain term", [("        loss_g = loss_g + terms.domain(siamese, in_a, in_b)\n", "")]),
        "no grad": ("under no_grad", [("        loss_g = loss_g + weight * terms.content(siamese, in_a, in_b)\n        loss_g = loss_g + terms.domain(siamese, in_a, in_b)\n", "        with torch.no_grad():\n            told = weight * terms.content(siamese, in_a, in_b) + terms.domain(siamese, in_a, in_b)\n        loss_g = loss_g + told\n")]),
        "S alone": ("CycleGAN's terms of the generators are missing", [("terms.game_g(generators, discriminators, a, b, fake_a, fake_b)", "0")]),
        "no weight": ("lacks its weight", [("weight * ", "")]),
        "the weight for both": ("the domain term has the weight, too", [("loss_g = loss_g + terms.domain(", "loss_g = loss_g + weight * terms.domain(")]),
        "one direction": ("the way from day to night is missing", [("in ((a, fake_b), (fake_a, b))", "in ((a, fake_b),)")]),
        "originals first": ("the pictures are exchanged", [("in ((a, fake_b), (fake_a, b))", "in ((a, fake_b), (b, fake_a))")]),
        "S learns from translations": ("S learns content from translations", [("loss_s = terms.learn(siamese, a, b)", "loss_s = terms.content(siamese, a, fake_b) + terms.content(siamese, fake_a, b)")]),
        "S learns from both": ("the content term of translations, too", [("loss_s = terms.learn(siamese, a, b)", "loss_s = terms.learn(siamese, a, b) + terms.content(siamese, a, fake_b) + terms.content(siamese, fake_a, b)")]),
        "S without content": ("terms.learn is missing", [("loss_s = terms.learn(siamese, a, b)", "loss_s = 0")]),
        "S without domains": ("S does not learn the domains", [("        loss_s = loss_s + terms.domain(siamese, in_a, in_b)\n", "        pass\n")]),
        "S against": ("S is no adversary", [("loss_s = loss_s + terms", "loss_s = loss_s - terms")]),
        "S stays": ("S never moves", [("adam[siamese].step()", "pass")]),
        "D stays": ("the discriminators never move", [("adam[discriminators].step()", "pass")]),
        "G stays": ("the generators never move", [("adam[generators].step()", "pass")]),
        "no graph": ("the generators never move", [("    fake_a, fake_b = generators(a, b)", "    fake_a, fake_b = (i.detach() for i in generators(a, b))"), ("terms.game_g(generators, discriminators, a, b, fake_a, fake_b)", "0")]),
        "S first": ("move first", """def training_step(generators, discriminators, siamese, adam, a, b, terms, weight):
    def move(net, loss):
        adam[net].zero_grad()
        loss.backward()
        adam[net].step()

    fake_a, fake_b = generators(a, b)
    kept_a, kept_b = fake_a.detach(), fake_b.detach()
    move(discriminators, terms.game_d(discriminators, a, b, kept_a, kept_b))
    move(siamese, terms.learn(siamese, a, b) + terms.domain(siamese, a, kept_b) + terms.domain(siamese, kept_a, b))
    told = [weight * terms.content(siamese, *two) + terms.domain(siamese, *two) for two in ((a, fake_b), (fake_a, b))]
    move(generators, terms.game_g(generators, discriminators, a, b, fake_a, fake_b) + sum(told))
"""),
    },
    "find-again": {
        "hers": ("another order than the rows", "find_again = sick_find_again\n"),
        "hers, with expand": ("another order than the rows", [("torch.arange(9).expand(len(maps), 9)", "torch.arange(9)[:, None].expand(9, len(maps))")]),
        "the wrong axis": ("roles are exchanged", [(FIND, "F.cross_entropy(scores, places)")]),
        "finds itself": ("finds itself", [("one @ other", "one @ one")]),
        "the whole batch": ("in all pictures of the batch", """def find_again(maps, others):
    one, other = maps.flatten(2).flatten(0, 1), others.flatten(2).flatten(0, 1)
    return F.cross_entropy(one @ other.T / (0.2 * one.shape[-1]), torch.arange(len(one)))
"""),
        "no temperature": ("division by 0.2 is missing", [("(0.2 * one.shape[-1])", "one.shape[-1]")]),
        "times 0.2": ("multiplied by 0.2", [("/ (0.2 * one.shape[-1])", "* 0.2 / one.shape[-1]")]),
        "sums": ("you summed", [("(0.2 * one.shape[-1])", "0.2")]),
        "the root of the pixels": ("not by its root", [("one.shape[-1])", "one.shape[-1] ** 0.5)")]),
        "distances": ("no correlations", [("one @ other.transpose(1, 2) / (0.2 * one.shape[-1])", "-(one[:, :, None] - other[:, None]).square().mean(-1) / 0.2")]),
        "the least alike": ("the most alike", [("scores = one", "scores = -one")]),
        "a sum": ("summed over maps and pictures", [("places.flatten())", "places.flatten(), reduction='sum')")]),
        "a sum over pictures": ("summed over the pictures", [("return F", "return len(maps) * F")]),
        "softmax twice": ("softmax is taken twice", [("F.cross_entropy(scores.", "F.cross_entropy(scores.softmax(-1).")]),
        "content added": ("content loss is paid besides", [(FIND, FIND + " + (maps - others).square().mean()")]),
        "the first picture": ("only the first picture", [(FIND, "F.cross_entropy(scores[0], places[0])")]),
        "others detached": ("no gradient reaches others", [("others.flatten(2)", "others.detach().flatten(2)")]),
        "maps detached": ("no gradient reaches maps", [("maps.flatten(2),", "maps.detach().flatten(2),")]),
        "the pixels of the visible test": ("the answer is", [("one.shape[-1]", "30")]),
    },
}

RIGHT = {
    "by-hand": {
        "with plain numbers": """import math
a, b = own.map_a.flatten().tolist(), own.map_b.flatten().tolist()
content = sum((x - y) ** 2 for x, y in zip(a, b)) / 4
rows = own.powers.tolist()
places = [0 if max(pair) < 9 else 1 if min(pair) > 8 else 2 for pair in own.pairs]
domain = sum(math.log(sum(row)) - math.log(row[n]) for row, n in zip(rows, places)) / 2
""",
    },
    "draw-pairs": {
        "of the module random, as lists": """import random
def draw_pairs(grid):
    cells = grid * grid
    night, day = range(cells), range(cells, 2 * cells)
    i = random.choice(night)
    j = i + cells if random.random() < 0.5 else random.choice([n for n in day if n != i + cells])
    return random.sample(night, 2), random.sample(day, 2), [i, j]
""",
        "the same places for all": """def draw_pairs(grid):
    cells = grid**2
    first, second = torch.randperm(cells)[:2]
    other = [first, second][int(torch.randint(2, ()))]
    low, high = min(first, second), max(first, second)
    return [(low, high), (low + cells, high + cells), (first, other + cells)]
""",
    },
    "content-term": {
        "slices, place by place": """def content_term(content, in_a, in_b):
    h, w = in_a.shape[2] // 3, in_a.shape[3] // 3
    total = 0
    for row in range(3):
        for column in range(3):
            maps = []
            for images in (in_a, in_b):
                m = content(images[:, :, row * h : (row + 1) * h, column * w : (column + 1) * w])
                m = m - m.mean((1, 2), keepdim=True)
                maps.append(m * (m.pow(2).mean((1, 2), keepdim=True) + 0.001).rsqrt())
            total = total + F.mse_loss(*maps) / 9
    return total
""",
        "unfold, both at once": """def content_term(content, in_a, in_b):
    h, w = (side // 3 for side in in_a.shape[-2:])
    both = torch.cat([in_b, in_a])[..., : 3 * h, : 3 * w]
    patches = F.unfold(both, (h, w), stride=(h, w)).transpose(1, 2).unflatten(2, (3, h, w))
    maps = content(patches)
    variance, mean = torch.var_mean(maps, (2, 3), correction=0, keepdim=True)
    one, two = ((maps - mean) / torch.sqrt(variance + 1e-3)).chunk(2)
    return torch.mean((two - one) ** 2)
""",
    },
    "domain-loss": {
        "logarithms": """def domain_loss(scores, pairs):
    total = 0
    for n, pair in enumerate(pairs):
        kind = 0 if max(pair) < 9 else 1 if min(pair) > 8 else 2
        total = total + (scores[:, n].logsumexp(1) - scores[:, n, kind]).mean()
    return total / len(pairs)
""",
        "classes at axis 1": """def domain_loss(scores, pairs):
    classes = torch.tensor([{(True, True): 0, (False, False): 1}.get((i < 9, j < 9), 2) for i, j in pairs])
    return F.cross_entropy(scores.movedim(-1, 1), classes.expand(scores.shape[:2]))
""",
    },
    "training-step": {
        "S frozen while the generators move": """def training_step(generators, discriminators, siamese, adam, a, b, terms, weight):
    critics = (discriminators, siamese)
    for net in critics:
        net.requires_grad_(False)
    fake_a, fake_b = generators(a, b)
    content = terms.content(siamese, a, fake_b) + terms.content(siamese, fake_a, b)
    domain = terms.domain(siamese, fake_a, b) + terms.domain(siamese, a, fake_b)
    (weight * content + domain + terms.game_g(generators, discriminators, a, b, fake_a, fake_b)).backward()
    adam[generators].step()
    for net in critics:
        net.requires_grad_(True)
    fake_a, fake_b = fake_a.detach(), fake_b.detach()
    loss = terms.learn(siamese, a, b) + terms.game_d(discriminators, a, b, fake_a, fake_b)
    (loss + terms.domain(siamese, a, fake_b) + terms.domain(siamese, fake_a, b)).backward()
    for net in critics:
        adam[net].step()
    for net in (generators, *critics):
        adam[net].zero_grad()
""",
        "all gradients first": """def training_step(generators, discriminators, siamese, adam, a, b, terms, weight):
    fake_a, fake_b = generators(a, b)
    loss = terms.game_g(generators, discriminators, a, b, fake_a, fake_b)
    for two in ((a, fake_b), (fake_a, b)):
        loss = loss + weight * terms.content(siamese, *two) + terms.domain(siamese, *two)
    fake_a, fake_b = fake_a.detach(), fake_b.detach()
    own = terms.learn(siamese, a, b) + terms.domain(siamese, fake_a, b) + terms.domain(siamese, a, fake_b)
    nets = {generators: loss, siamese: own, discriminators: terms.game_d(discriminators, a, b, fake_a, fake_b)}
    for net, paid in nets.items():
        weights = list(net.parameters())
        for p, g in zip(weights, torch.autograd.grad(paid, weights, allow_unused=True)):
            p.grad = g
    for net in nets:
        adam[net].step()
""",
    },
    "find-again": {
        "hers, mended": """def find_again(maps, others):
    one, other = maps.flatten(2), others.flatten(2)
    alike = one @ other.transpose(1, 2) / one.shape[-1]
    return F.cross_entropy(alike.flatten(0, 1) / 0.2, torch.arange(9).repeat(len(maps)))
""",
        "the diagonal": """def find_again(maps, others):
    alike = torch.einsum("nphw,nqhw->npq", maps, others) / maps[0, 0].numel()
    return -(5 * alike).log_softmax(2).diagonal(dim1=1, dim2=2).mean()
""",
        "picture by picture": """def find_again(maps, others):
    paid = [F.cross_entropy(a.flatten(1) @ b.flatten(1).T / a[0].numel() / 0.2, torch.arange(9)) for a, b in zip(maps, others)]
    return torch.stack(paid).mean()
""",
    },
}

"""Answers to assignment 4: plausible wrong ones with words of the feedback that they must get, and other right ones.

An answer is the text of the whole cell, or a list of (old, new) to change in the solution.
"""
# fmt: off

LABEL = "label_value = float(costs.sum(1).mean())"
PAIRED = "match_value = float(F.cross_entropy(scores, same))"
EACH = "F.binary_cross_entropy_with_logits(logits, label, reduction=\"none\")"
LOSS = "return F.cross_entropy(head(e[first], e[second]), same)"
IN_D = "loss_d + terms.label(read, label) + 0.5 * match"
IN_G = "loss_g = terms.fool(on_fake) + terms.label(read, wanted) + 0.5 * match"
BACK = "loss_g = loss_g + 10 * (generator(fake, label) - image).abs().mean()"

WRONG = {
    "by-hand": {
        "a mean over the numbers": ("label_value: the costs of a face are summed", [(LABEL, "label_value = float(costs.mean())")]),
        "no mean": ("label_value: the mean over the two faces is missing", [(LABEL, "label_value = float(costs.sum())")]),
        "the other way round": ("label_value: sum over the numbers and take the mean over the faces", [(LABEL, "label_value = float(costs.mean(1).sum())")]),
        "yes for no": ("label_value: yes and no are exchanged", [("-logits, logits)", "logits, -logits)")]),
        "yes alone": ("label_value: the numbers that are 0", [(LABEL, "label_value = float((costs * label).sum(1).mean())")]),
        "no alone": ("label_value: the numbers that are 1", [(LABEL, "label_value = float((costs * (1 - label)).sum(1).mean())")]),
        "no logarithm": ("label_value: the logarithm is missing", [(LABEL, "label_value = float((label - logits.sigmoid()).abs().sum(1).mean())")]),
        "a sum over the pairs": ("match_value: the mean over the two pairs is missing", [(PAIRED, "match_value = float(2 * F.cross_entropy(scores, same))")]),
        "halved twice": ("match_value: you halved twice", [(PAIRED, "match_value = float(0.5 * F.cross_entropy(scores, same))")]),
        "same first": ("match_value: the logits are exchanged", [(PAIRED, "match_value = float(F.cross_entropy(scores.flip(1), same))")]),
        "the positive alone": ("match_value: the pair with different labels", [(PAIRED, "match_value = float(F.cross_entropy(scores[same == 1], same[same == 1]) / 2)")]),
        "two questions": ("match_value: the two logits are one softmax", [(PAIRED, "match_value = float(2 * F.binary_cross_entropy_with_logits(scores, F.one_hot(same).double()))")]),
        "a text": ("expected a number", [(LABEL, "label_value = '0.7'")]),
    },
    "label-loss": {
        "a mean over the numbers": ("sum over the 5 numbers", [("each.sum(1).mean()", "each.mean()")]),
        "a sum over the faces": ("take the mean over the faces; you summed", [("each.sum(1).mean()", "each.sum()")]),
        "the other way round": ("not the reverse", [("each.sum(1).mean()", "each.mean(1).sum()")]),
        "always one class": ("place of the first 1 alone", [("if exclusive:", "if True:")]),
        "always exclusive": ("do not exclude each other here", [("if exclusive:", "if True:"), ("F.cross_entropy(logits, label.argmax(1))", "-(label * logits.log_softmax(1)).sum(1).mean()")]),
        "never exclusive": ("one softmax over all numbers", [("if exclusive:", "if False:")]),
        "never exclusive, and means": ("no mean over the numbers", [("return F.cross_entropy(logits, label.argmax(1))", "return F.binary_cross_entropy_with_logits(logits, label)")]),
        "exclusive turned round": ("place of the first 1 alone", [("if exclusive:", "if not exclusive:")]),
        "yes for no": ("yes and no are exchanged", [(EACH, EACH.replace("label", "1 - label"))]),
        "yes alone": ("numbers that are 0 have a cost", [(EACH, "-label * F.logsigmoid(logits)")]),
        "sigmoid twice": ("sigmoid is taken twice", [(EACH, EACH.replace("logits,", "logits.sigmoid(),"))]),
        "softmax twice": ("softmax is taken twice", [("cross_entropy(logits, label.arg", "cross_entropy(logits.softmax(1), label.arg")]),
        "no logarithm": ("logarithm is missing", [(EACH, "(label - logits.sigmoid()).abs()")]),
        "no logarithm of the softmax": ("logarithm is missing", [("F.cross_entropy(logits, label.argmax(1))", "(1 - (label * logits.softmax(1)).sum(1)).mean()")]),
        "exclusive, a sum over the faces": ("where one number is 1, take the mean over the faces", [("label.argmax(1))", "label.argmax(1), reduction='sum')")]),
        "exclusive, a mean over the numbers": ("where one number is 1, sum over the 5 numbers", [("F.cross_entropy(logits, label.argmax(1))", "-(label * logits.log_softmax(1)).mean()")]),
        "a small number in the logarithm": ("no clamp and no small number helps", [(EACH, "-(label * (logits.sigmoid() + 1e-9).log() + (1 - label) * (1 - logits.sigmoid() + 1e-9).log())")]),
        "probabilities": ("logarithm of zero", [(EACH, "-(label * logits.sigmoid().log() + (1 - label) * (1 - logits.sigmoid()).log())")]),
        "detached": ("carries no gradient", [("each.sum(1).mean()", "each.sum(1).mean().detach()")]),
        "five numbers": ("with exclusive=False the answer is", [("each.sum(1).mean()", "each.mean() * 5")]),
        "single precision": ("torch.float32; expected torch.float64", [("each.sum(1).mean()", "each.sum(1).mean().float()")]),
        "the package's": ("plain PyTorch", """from i2i_tutor.methods import matchgan
label_loss = lambda logits, label, exclusive: matchgan.label_loss(logits, label, exclusive)
"""),
    },
    "pairs": {
        "a batch of 16": ("with 5 groups the pair", [("4 * other + 3", "(4 * (k - back) + 3) % 16")]),
        "same turned round": ("same is turned round", [("k + 1, 1))", "k + 1, 0))"), ("3, 0))", "3, 1))")]),
        "partner first": ("first and second are exchanged", [("return first, second, same", "return second, first, same")]),
        "negatives exchanged": ("negatives of the two triplets are exchanged", [("((0, 2), (2, 1))", "((0, 1), (2, 2))")]),
        "both from the group before": ("both negatives are from the group before", [("((0, 2), (2, 1))", "((0, 1), (2, 1))")]),
        "from the groups after": ("the groups after", [("k - back", "k + back")]),
        "of one's own group": ("of the anchors' own group", [("(k - back) % groups", "k")]),
        "another positive": ("the positive of face 2 is face 1", [("4 * k + 1, 1)", "4 * k + anchor + 1, 1)")]),
        "another negative": ("you took face 2", [("4 * other + 3", "4 * other + 2")]),
        "not round": ("before the first group comes the last", [("(k - back) % groups", "k - back")]),
        "stopping at the first": ("the groups stop at the first", [("(k - back) % groups", "max(k - back, 0)")]),
        "four groups": ("with 5 groups the pair", [("% groups", "% 4"), ("range(groups)", "range(4)"), ("return first", "first = first.repeat(groups)[: 4 * groups]\n    second, same = second.repeat(groups)[: 4 * groups], same.repeat(groups)[: 4 * groups]\n    return first")]),
        "one triplet": ("two triplets of each", [("((0, 2), (2, 1))", "((0, 2),)")]),
        "triplets": ("expected the three tensors", [("return first, second, same", "return found")]),
        "lists": ("expected a tensor of whole numbers", [("return first, second, same", "return [list(i) for i in zip(*found)]")]),
        "floats": ("torch.float32; expected a tensor of whole numbers", [("torch.tensor(found)", "torch.tensor(found).float()")]),
        "yes and no": ("torch.bool; expected a tensor of whole numbers", [("return first, second, same", "return first, second, same == 1")]),
        "a pair twice": ("is missing: anchor first", [("    first, second", "    found[-1] = found[0]\n    first, second")]),
    },
    "match-loss": {
        "not sorted": ("rows are not put in the order", [("e = embedding[target.argsort(stable=True)]", "e = embedding")]),
        "the opposite order": ("in the opposite order", [("target.argsort(stable=True)", "target.argsort(stable=True).argsort()")]),
        "four targets": ("as if there were four targets", [("% groups", "% 4")]),
        "partner first": ("in the wrong order: first before second", [("e[first], e[second]", "e[second], e[first]")]),
        "same turned round": ("same is turned round", [(", same)", ", 1 - same)")]),
        "a sum": ("you summed over the pairs", [(", same)", ", same, reduction='sum')")]),
        "two means": ("half of that", [(LOSS, "logits = head(e[first], e[second])\n    return sum(F.cross_entropy(logits[same == k], same[same == k]) for k in (0, 1))")]),
        "halved": ("you halved the mean", [("return F", "return 0.5 * F")]),
        "positives alone": ("pairs with different targets are left out", [(LOSS, "logits = head(e[first], e[second])\n    return F.cross_entropy(logits[same == 1], same[same == 1])")]),
        "softmax twice": ("softmax is taken twice", [("e[second])", "e[second]).softmax(1)")]),
        "yes or no": ("asks each logit yes or no", [(LOSS, "logits = head(e[first], e[second])\n    return F.binary_cross_entropy_with_logits(logits, F.one_hot(same, 2).to(logits.dtype))")]),
        "a margin": ("distances and a margin", [(LOSS, "d = (e[first] - e[second]).flatten(1).norm(dim=1)\n    return F.relu(d[same == 1] - d[same == 0] + 1).mean()")]),
        "a partner detached": ("gradient of embedding", [("e[second])", "e[second].detach())")]),
        "detached": ("carries no gradient", [("embedding[target", "embedding.detach()[target")]),
        "flat": ("the head is given", [("e[first], e[second]", "e[first].flatten(1), e[second].flatten(1)")]),
        "probabilities": ("is there a logarithm of zero", [(LOSS, "p = head(e[first], e[second]).softmax(1)\n    return -p[torch.arange(len(same)), same].log().mean()")]),
    },
    "targets": {
        "hers": ("a second name, or a view", "targets = sick_targets\n"),
        "a view": ("a second name, or a view", [("order = torch.randperm(len(label))\n    return label[order]", "targets = label[:]\n    for row, other in enumerate(torch.randperm(len(label))):\n        targets[row] = label[other]\n    return targets")]),
        "copied too late": ("copied only after that", [("return label[order]", "label[:] = label[order]\n    return label.clone()")]),
        "overwritten at once": ("a second name, or a view", [("return label[order]", "label[:] = label[order]\n    return label")]),
        "reads what it writes": ("asked for twice", [("return label[order]", "targets = label.clone()\n    for row, other in enumerate(order):\n        targets[row] = targets[other]\n    return targets")]),
        "column by column": ("rows change their places as a whole", [("return label[order]", "return torch.stack([c[torch.randperm(len(c))] for c in label.T], 1)")]),
        "numbers exchanged": ("rows change their places as a whole", [("return label[order]", "return label[:, torch.randperm(label.shape[1])]")]),
        "with replacement": ("asked for twice", [("torch.randperm(len(label))", "torch.randint(len(label), (len(label),))")]),
        "the neighbour's": ("the order is the same in every call", [("return label[order]", "return label.roll(1, 0)")]),
        "moved on": ("only a few orders", [("return label[order]", "return label.roll(int(torch.randint(len(label), ())), 0)")]),
        "one's own": ("asked for the label that it has", [("return label[order]", "return label.clone()")]),
        "never one's own": ("no face ever keeps its label", [("order = ", "order = one = torch.arange(len(label))\n    while len(label) > 1 and (order == one).any():\n        order = ")]),
        "a seed": ("the order is the same in every call", [("order = ", "torch.manual_seed(0)\n    order = ")]),
        "the first stays": ("far too often", [("return label[order]", "return torch.cat([label[:1], label[1:][torch.randperm(len(label) - 1)]])")]),
        "whole numbers": ("torch.int64; expected", [("label[order]", "label[order].long()")]),
        "the order": ("expected (6, 5)", [("return label[order]", "return order")]),
    },
    "training-step": {
        "a way back for all": ("on unlabelled batches there is no way back", [("    if label is not None:\n        loss_g", "    own = wanted if label is None else label\n    if True:\n        loss_g"), ("(fake, label)", "(fake, own)")]),
        "back to the target": ("the way back is given the target; it needs", [("(fake, label)", "(fake, wanted)")]),
        "back to the target, always": ("the way back is given the target, on both kinds", [("    if label is not None:\n        loss_g", "    if True:\n        loss_g"), ("(fake, label)", "(fake, wanted)")]),
        "no way back": ("no way back on labelled batches", [(BACK, "pass")]),
        "back from the face": ("the way back starts at the face", [("(fake, label)", "(image, label)")]),
        "back without a gradient": ("the fake is detached before its way back", [("(fake, label)", "(fake.detach(), label)")]),
        "squares": ("the way back is squared", [(".abs()", ".square()")]),
        "no 10": ("weight 10 of the way back", [("10 * ", "")]),
        "a sum of differences": ("the way back is summed", [(".abs().mean()", ".abs().sum()")]),
        "no 0.5 for D": ("0.5 of D's match loss", [(IN_D, IN_D.replace("0.5 * ", ""))]),
        "no 0.5 for G": ("0.5 of G's match loss", [(IN_G, IN_G.replace("0.5 * ", ""))]),
        "hinge exchanged": ("exchanged in D's hinge", [("terms.hinge(on_image, discriminator(fake.detach())[0])", "terms.hinge(discriminator(fake.detach())[0], on_image)")]),
        "targets taken for labels": ("the targets are taken for labels", [('batch.get("label")', 'batch.get("label", batch["wanted"])')]),
        "cleared after each move": ("has left gradients in D", [("    adam[discriminator].zero_grad()\n", ""), ("adam[discriminator].step()", "adam[discriminator].step()\n    adam[discriminator].zero_grad()"), ("    adam[generator].zero_grad()\n", ""), ("adam[generator].step()", "adam[generator].step()\n    adam[generator].zero_grad()")]),
        "no 0.5": ("weight 0.5 of the match losses", [("0.5 * ", "")]),
        "D does not compare": ("D pays no match loss", [(IN_D, "loss_d + terms.label(read, label)")]),
        "G does not compare": ("G pays no match loss", [(IN_G, IN_G.replace(" + 0.5 * match", ""))]),
        "nobody compares": ("neither pays a match loss", [(" + 0.5 * match", "")]),
        "G compares labelled ones alone": ("G's match loss is missing on unlabelled batches", [(IN_G, IN_G.replace("match", "(label is not None) * match"))]),
        "unlabelled faces compared": ("D pays a match loss on unlabelled batches", [("    if label is not None:\n        match = terms.match_real(discriminator, embedding)\n", "    match = terms.match_real(discriminator, embedding)\n    loss_d = loss_d + 0.5 * match\n    if label is not None:\n"), (IN_D, "loss_d + terms.label(read, label)")]),
        "D compares fakes": ("D's match loss is that of the fakes", [("terms.match_real(discriminator, embedding)", "terms.match_fake(discriminator, discriminator(fake.detach())[2])")]),
        "real faces by target": ("D's match loss groups real faces by target", [("match_real", "match_fake")]),
        "fakes as they lie": ("G's match loss takes the fakes as they lie", [("match_fake", "match_real")]),
        "D reads nothing": ("D learns to read no labels", [("loss_d + terms.label(read, label) +", "loss_d +")]),
        "targets for labels": ("the targets in unlabelled faces", [("    if label is not None:\n        match", "    if label is None:\n        loss_d = loss_d + terms.label(read, wanted)\n    else:\n        match")]),
        "D reads targets in real faces": ("the targets in real faces", [("read, label)", "read, wanted)")]),
        "D reads targets in fakes": ("the targets in fakes", [("    adam[discriminator].zero_grad()", "    loss_d = loss_d + terms.label(discriminator(fake.detach())[1], wanted)\n    adam[discriminator].zero_grad()")]),
        "G shows nothing": ("G is not asked to show its targets", [(IN_G, IN_G.replace(" + terms.label(read, wanted)", ""))]),
        "G shows it on labelled ones alone": ("on unlabelled batches; it needs no label", [(IN_G, IN_G.replace("terms.label", "(label is not None) * terms.label"))]),
        "G shows the old label": ("G is asked for the label that the face has", [("read, wanted)", "read, wanted if label is None else label)")]),
        "no fooling": ("G no longer has to pass for real", [("terms.fool(on_fake) + ", "")]),
        "unlabelled ones passed over": ("unlabelled batches are passed over", [("    fake = generator(image, wanted)", "    if label is None:\n        return\n    fake = generator(image, wanted)")]),
        "D waits": ("D does not move on unlabelled batches", [("    adam[discriminator].step()", "    if label is not None:\n        adam[discriminator].step()")]),
        "G waits": ("G does not move on unlabelled batches", [("    adam[generator].step()", "    if label is not None:\n        adam[generator].step()")]),
        "D's gradients kept": ("D's gradients are not cleared", [("adam[discriminator].zero_grad()", "pass")]),
        "G's gradients kept": ("G's gradients are not cleared", [("adam[generator].zero_grad()", "pass")]),
        "nothing cleared": ("no gradients are cleared", [("adam[discriminator].zero_grad()", "pass"), ("adam[generator].zero_grad()", "pass")]),
        "no step of D": ("D never moves", [("adam[discriminator].step()", "pass")]),
        "no step of G": ("G never moves", [("adam[generator].step()", "pass")]),
        "not detached": ("detach the fakes", [("fake.detach()", "fake")]),
        "at once": ("before anybody moves", [("    adam[discriminator].step()\n", ""), ("    adam[generator].step()", "    adam[discriminator].step()\n    adam[generator].step()")]),
        "both losses first": ("compute it after D's step", [("    adam[discriminator].zero_grad()\n    loss_d.backward()\n    adam[discriminator].step()\n", ""), ("    adam[generator].zero_grad()", "    adam[discriminator].zero_grad()\n    loss_d.backward()\n    adam[discriminator].step()\n    adam[generator].zero_grad()")]),
        "every batch has labels": ("KeyError", [('batch.get("label")', 'batch["label"]')]),
        "G first": ("G moves first", """def training_step(generator, discriminator, adam, batch, terms):
    image, wanted, label = batch["image"], batch["wanted"], batch.get("label")
    fake = generator(image, wanted)
    on_fake, read, e = discriminator(fake)
    loss_g = terms.fool(on_fake) + terms.label(read, wanted) + 0.5 * terms.match_fake(discriminator, e)
    if label is not None:
        loss_g = loss_g + 10 * F.l1_loss(generator(fake, label), image)
    adam[generator].zero_grad()
    loss_g.backward()
    adam[generator].step()
    on_image, read, e = discriminator(image)
    loss_d = terms.hinge(on_image, discriminator(generator(image, wanted).detach())[0])
    if label is not None:
        loss_d = loss_d + terms.label(read, label) + 0.5 * terms.match_real(discriminator, e)
    adam[discriminator].zero_grad()
    loss_d.backward()
    adam[discriminator].step()
"""),
    },
}

RIGHT = {
    "by-hand": {
        "with the table": """table = {-2: 0.127, -1: 0.313, 0: 0.693, 1: 1.313, 2: 2.127}
label_value = sum(table[int(z * (1 - 2 * y))] for z, y in zip(logits.flatten(), label.flatten())) / 2
match_value = sum(table[int(row[1 - k] - row[k])] for row, k in zip(scores, same)) / 2
""",
    },
    "label-loss": {
        "softplus and a dot": """def label_loss(logits, label, exclusive):
    if exclusive:
        return (logits.logsumexp(1) - (logits * label).sum(1)).mean()
    return (F.softplus(logits) - logits * label).sum() / len(logits)
""",
        "soft labels": """def label_loss(logits, label, exclusive):
    if exclusive:
        return F.cross_entropy(logits, label)
    return F.binary_cross_entropy_with_logits(logits, label) * logits.shape[1]
""",
        "logsigmoid": """def label_loss(logits, label, exclusive):
    each = -label * logits.log_softmax(1) if exclusive else -label * F.logsigmoid(logits) - (1 - label) * F.logsigmoid(-logits)
    return torch.stack([row.sum() for row in each]).mean()
""",
    },
    "pairs": {
        "without a loop": """def pairs(groups):
    k = 4 * torch.arange(groups)
    n = 4 * groups
    first = torch.cat([k, k + 2, k, k + 2])
    second = torch.cat([k + 1, k + 1, (k - 5) % n, (k - 1) % n])
    return [first, second, (torch.arange(n) < 2 * groups).long()]
""",
        "rolled": """def pairs(groups):
    rows = torch.arange(4 * groups).view(groups, 4)
    third = rows[:, 3]
    positives = torch.stack([rows[:, 0], rows[:, 1]]), torch.stack([rows[:, 2], rows[:, 1]])
    negatives = torch.stack([rows[:, 0], third.roll(2)]), torch.stack([rows[:, 2], third.roll(1)])
    first, second = torch.cat([*negatives, *positives], 1)
    return first, second, torch.tensor([0, 1]).repeat_interleave(2 * groups)
""",
    },
    "match-loss": {
        "a transposition": """def match_loss(embedding, groups, pairs, head):
    first, second, same = pairs
    e = embedding.unflatten(0, (4, groups)).transpose(0, 1).flatten(0, 1)
    logits = head(e[first], e[second])
    return (logits.logsumexp(1) - logits[torch.arange(len(same)), same]).mean()
""",
        "half of two means": """def match_loss(embedding, groups, pairs, head):
    first, second, same = pairs
    order = torch.tensor([row for k in range(groups) for row in range(k, 4 * groups, groups)])
    total = 0
    for k in (0, 1):
        a, b = order[first[same == k]], order[second[same == k]]
        total = total - head(embedding[a], embedding[b]).log_softmax(1)[:, k].mean() / 2
    return total
""",
    },
    "targets": {
        "a copy": """def targets(label):
    made = label.clone()
    for row, other in enumerate(torch.randperm(len(label))):
        made[row] = label[other]
    return made
""",
        "another order": """import random
def targets(label):
    rows = list(label)
    random.shuffle(rows)
    return torch.stack(rows)
""",
        "sorted noise": """def targets(label):
    return label.index_select(0, torch.rand(label.shape[0]).argsort())
""",
    },
    "training-step": {
        "one pass of D": """def training_step(generator, discriminator, adam, batch, terms):
    image, count = batch["image"], len(batch["image"])
    with torch.no_grad():
        fake = generator(image, batch["wanted"])
    source, read, e = discriminator(torch.cat([image, fake]))
    loss = terms.hinge(source[:count], source[count:])
    if "label" in batch:
        loss = loss + terms.label(read[:count], batch["label"])
        loss = loss + terms.match_real(discriminator, e[:count]) / 2
    loss.backward()
    adam[discriminator].step()
    fake = generator(image, batch["wanted"])
    source, read, e = discriminator(fake)
    loss = terms.match_fake(discriminator, e) / 2 + terms.label(read, batch["wanted"]) + terms.fool(source)
    if "label" in batch:
        loss = loss + F.l1_loss(generator(fake, batch["label"]), image) * 10
    loss.backward()
    adam[generator].step()
    for each in (generator, discriminator):
        adam[each].zero_grad()
""",
        "gradients to the players alone": """def training_step(generator, discriminator, adam, batch, terms):
    def move(net, loss):
        loss.backward(inputs=list(net.parameters()))
        adam[net].step()
        adam[net].zero_grad()

    known = "label" in batch
    fake = generator(batch["image"], batch["wanted"])
    source, read, e = discriminator(batch["image"])
    paid = [terms.hinge(source, discriminator(fake.detach())[0])]
    if known:
        paid += [terms.label(read, batch["label"]), 0.5 * terms.match_real(discriminator, e)]
    move(discriminator, sum(paid))
    source, read, e = discriminator(fake)
    paid = [terms.fool(source), terms.label(read, batch["wanted"]), 0.5 * terms.match_fake(discriminator, e)]
    if known:
        paid += [10 * (generator(fake, batch["label"]) - batch["image"]).abs().mean()]
    move(generator, sum(paid))
""",
    },
}

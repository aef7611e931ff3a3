"""Answers to assignment 5: plausible wrong ones with words of the feedback that they must get, and other right ones.

An answer is the text of the whole cell, or a list of (old, new) to change in the solution.
"""
# fmt: off

WRONG = {
    "by-hand": {
        "mean squares": ("pmse: the second term is missing", [("pmse = float(d.square().mean() - d.mean() ** 2)", "pmse = float(d.square().mean())")]),
        "a plus": ("pmse: the second term is subtracted", [("d.square().mean() - d.mean()", "d.square().mean() + d.mean()")]),
        "of a sample": ("pmse: that is the sample variance", [("pmse = float(d.square().mean() - d.mean() ** 2)", "pmse = float(d.var())")]),
        "the mean over the pairs": ("not by the number of pairs", [("pmse = float(d.square().mean() - d.mean() ** 2)", "pmse = float(torch.pdist(d.view(-1, 1)).square().mean())")]),
        "pairs twice": ("counted every pair twice", [("pmse = float(", "pmse = 2 * float(")]),
        "nothing divided": ("nothing is divided", [("pmse = float(", "pmse = 16 * float(")]),
        "the root": ("the standard deviation", [("pmse = float(d.square().mean() - d.mean() ** 2)", "pmse = float(d.std(correction=0))")]),
        "no mask": ("masked: the mask is left out", [("masked = float(kept.square().mean() - kept.mean() ** 2)", "masked = pmse")]),
        "inside the mask alone": ("masked: k counts all four", [("masked = float(kept.square().mean() - kept.mean() ** 2)", "masked = float(d[mask > 0].var(correction=0))")]),
        "outside": ("masked: the mask is turned round", [("(x - fake) * mask", "(x - fake) * (1 - mask)")]),
        "a text": ("expected a number", [("pmse = float(d.square().mean() - d.mean() ** 2)", "pmse = '0.1'")]),
    },
    "content-loss": {
        "mean squares": ("second term is missing", [(" - d.sum(1).square() / k**2", "")]),
        "a plus": ("wrong sign", [("k - d", "k + d")]),
        "no square": ("lacks its square", [("d.sum(1).square()", "d.sum(1)")]),
        "k for its square": ("not by its square", [("k**2", "k")]),
        "the sum of squares": ("sums the squares", [("d.sum(1).square()", "d.square().sum(1)")]),
        "no mask": ("mask is missing", [("(x - fake) * mask", "x - fake")]),
        "the ground": ("turned round", [("* mask", "* (1 - mask)")]),
        "values under the mask": ("number of values under the mask", [("k = d.shape[1]", "k = mask.expand_as(x).flatten(1).sum(1)")]),
        "of a sample": ("sample variance", [("return (d.square().sum(1) / k - d.sum(1).square() / k**2).mean()", "return d.var(dim=1).mean()")]),
        "the whole batch": ("over the whole batch", [("return (d.square().sum(1) / k - d.sum(1).square() / k**2).mean()", "return d.var(correction=0)")]),
        "a sum": ("summed over the batch; take the mean", [(".mean()", ".sum()")]),
        "the official code's": ("as the official code does", [(".mean()", ".sum() * 2")]),
        "channels apart": ("channels are taken apart", [("flatten(1)", "flatten(2).flatten(0, 1)")]),
        "one number per picture": ("take the mean", [(".mean()", "")]),
        "the shape of the visible test": ("expected", [("k = d.shape[1]", "k = 108")]),
        "detached": ("carries no gradient", [("(x - fake)", "(x - fake.detach())")]),
        "single precision": ("torch.float32; expected torch.float64", [("k**2).mean()", "k**2).mean().float()")]),
        "the package's": ("plain PyTorch", """from i2i_tutor import losses
content_loss = lambda x, fake, mask: losses.masked_pairwise_error(x, fake, mask)
"""),
    },
    "task-loss": {
        "adapted alone": ("source images is missing", [(" + F.cross_entropy(on_x, label)", "")]),
        "source alone": ("adapted images is missing", [("F.cross_entropy(on_fake, label) + ", "")]),
        "one first layer": ("adapted images pass the source's", [('classifier(fake, "target")', 'classifier(fake, "source")')]),
        "the other first layer": ("source images pass the target's", [('classifier(x, "source")', 'classifier(x, "target")')]),
        "exchanged": ("exchanged", [('classifier(fake, "target"), classifier(x, "source")', 'classifier(fake, "source"), classifier(x, "target")')]),
        "no domain": ("two first layers; say which", [('classifier(fake, "target")', "classifier(fake)")]),
        "in one batch": ("a first layer of its own", """def task_loss(classifier, x, fake, label):
    return 2 * F.cross_entropy(classifier(torch.cat([x, fake]), "target"), torch.cat([label, label]))
"""),
        "averaged": ("not averaged", [("return F", "return 0.5 * F"), (" + F", " + 0.5 * F")]),
        "a sum": ("summed over the batch", [("label)", "label, reduction='sum')")]),
        "softmax twice": ("softmax is taken twice", [("(on_fake, ", "(on_fake.softmax(1), "), ("(on_x, ", "(on_x.softmax(1), ")]),
        "no logarithm": ("logarithm is missing", [("F.cross_entropy(", "F.nll_loss("), ("(on_fake, ", "(on_fake.softmax(1), "), ("(on_x, ", "(on_x.softmax(1), ")]),
        "yes or no": ("yes or no", """def task_loss(classifier, x, fake, label):
    a, b = classifier(fake, "target"), classifier(x, "source")
    hot = F.one_hot(label, a.shape[1]).to(a.dtype)
    return F.binary_cross_entropy_with_logits(a, hot) + F.binary_cross_entropy_with_logits(b, hot)
"""),
        "probabilities": ("logarithm of zero", """def task_loss(classifier, x, fake, label):
    n = torch.arange(len(label))
    return -sum(classifier(i, d).softmax(1)[n, label].log().mean() for i, d in ((fake, "target"), (x, "source")))
"""),
        "detached": ("fake is detached", [("classifier(fake, ", "classifier(fake.detach(), ")]),
        "the source detached from T": ("gradient", [("F.cross_entropy(on_x,", "F.cross_entropy(on_x.detach(),")]),
    },
    "with-noise": {
        "from 0 to 1": ("stretch and shift", [(" * 2 - 1", "")]),
        "normal": ("z reaches", [("torch.rand(", "torch.randn("), (" * 2 - 1", "")]),
        "normal, cut": ("mean square", [("torch.rand(len(x), size, 1, 1, dtype=x.dtype) * 2 - 1", "torch.randn(len(x), size, 1, 1, dtype=x.dtype).clamp(-1, 1)")]),
        "one z for all pictures": ("share one z", [("len(x), size, 1", "1, size, 1"), ("expand(-1, -1,", "expand(len(x), -1,")]),
        "one number for all channels": ("channels of the noise are equal", [("len(x), size, 1", "len(x), 1, 1"), ("expand(-1, -1,", "expand(-1, size,")]),
        "noise in every pixel": ("from pixel to pixel", [("size, 1, 1, dtype", "size, *x.shape[2:], dtype")]),
        "always the same": ("two calls give the same z", [("    z =", "    torch.manual_seed(0)\n    z =")]),
        "noise first": ("noise stands before", [("[x, z.expand(-1, -1, *x.shape[2:])]", "[z.expand(-1, -1, *x.shape[2:]), x]")]),
        "the noise alone": ("picture itself is missing", [("return torch.cat([x, z.expand(-1, -1, *x.shape[2:])], dim=1)", "return z.expand(-1, -1, *x.shape[2:])")]),
        "one channel": ("a channel for each", [("size, 1, 1", "1, 1, 1")]),
        "added": ("it is not added", [("return torch.cat([x, z.expand(-1, -1, *x.shape[2:])], dim=1)", "return x + z.sum(1, keepdim=True)")]),
        "a changed picture": ("not the picture as it was", [("cat([x,", "cat([x / 2,")]),
        "squares only": ("your answer raised", [("*x.shape[2:]", "x.shape[2], x.shape[2]")]),
        "not on the grid": ("your answer raised", [("z.expand(-1, -1, *x.shape[2:])", "z")]),
    },
    "training-step": {
        "no noise of its own": ("its turn has new noise", [("    fake = generator(x, new_noise())\n    loss_g", "    fake = generator(x, z)\n    loss_g"), ("    with torch.no_grad():\n        fake = generator(x, new_noise())", "    z = new_noise()\n    with torch.no_grad():\n        fake = generator(x, z)")]),
        "D's gradients kept": ("D's gradients are not cleared", [("adam[discriminator].zero_grad()", "pass")]),
        "T's gradients kept": ("T's gradients are not cleared", [("adam[classifier].zero_grad()", "pass")]),
        "D's and T's kept": ("the gradients of D and T are not cleared", [("adam[discriminator].zero_grad()", "pass"), ("adam[classifier].zero_grad()", "pass")]),
        "G's gradients kept": ("G's gradients are not cleared", [("adam[generator].zero_grad()", "pass")]),
        "nothing cleared": ("no gradients are cleared", [("adam[discriminator].zero_grad()", "pass"), ("adam[classifier].zero_grad()", "pass"), ("adam[generator].zero_grad()", "pass")]),
        "no step of D": ("D never moves", [("adam[discriminator].step()", "pass")]),
        "no step of T": ("T never moves", [("adam[classifier].step()", "pass")]),
        "no step of G": ("G never moves", [("adam[generator].step()", "pass")]),
        "no task term": ("task term of G is missing", [("loss_g = loss_g + beta * terms.task(classifier, x, fake, label)", "pass")]),
        "no domain term": ("domain term of G is missing", [("terms.domain_g(discriminator, fake)", "0")]),
        "no beta": ("beta is missing", [("loss_g + beta * ", "loss_g + ")]),
        "T once more": ("on the gradients of both turns", [("    adam[generator].step()", "    adam[generator].step()\n    adam[classifier].step()")]),
        "T once more, cleared": ("T moves twice", [("    adam[generator].zero_grad()", "    adam[generator].zero_grad()\n    adam[classifier].zero_grad()"), ("    adam[generator].step()", "    adam[generator].step()\n    adam[classifier].step()")]),
        "T with G": ("agree on a mark", """def training_step(generator, discriminator, classifier, adam, x, label, target, new_noise, terms, beta):
    adam[discriminator].zero_grad()
    terms.domain_d(discriminator, target, generator(x, new_noise()).detach()).backward()
    adam[discriminator].step()
    adam[generator].zero_grad()
    adam[classifier].zero_grad()
    fake = generator(x, new_noise())
    (terms.domain_g(discriminator, fake) + beta * terms.task(classifier, x, fake, label)).backward()
    adam[generator].step()
    adam[classifier].step()
"""),
        "G first": ("G moves first", """def training_step(generator, discriminator, classifier, adam, x, label, target, new_noise, terms, beta):
    adam[generator].zero_grad()
    fake = generator(x, new_noise())
    (terms.domain_g(discriminator, fake) + beta * terms.task(classifier, x, fake, label)).backward()
    adam[generator].step()
    adam[discriminator].zero_grad()
    adam[classifier].zero_grad()
    fake = generator(x, new_noise()).detach()
    (terms.domain_d(discriminator, target, fake) + terms.task(classifier, x, fake, label)).backward()
    adam[discriminator].step()
    adam[classifier].step()
"""),
        "at once": ("before anybody moves", """def training_step(generator, discriminator, classifier, adam, x, label, target, new_noise, terms, beta):
    for each in (generator, discriminator, classifier):
        adam[each].zero_grad()
    fake = generator(x, new_noise()).detach()
    (terms.domain_d(discriminator, target, fake) + terms.task(classifier, x, fake, label)).backward()
    fake = generator(x, new_noise())
    (terms.domain_g(discriminator, fake) + beta * terms.task(classifier, x, fake, label)).backward()
    for each in (generator, discriminator, classifier):
        adam[each].step()
"""),
        "a leak": ("what D and T pay reaches G", """def training_step(generator, discriminator, classifier, adam, x, label, target, new_noise, terms, beta):
    for each in (generator, discriminator, classifier):
        adam[each].zero_grad()
    fake = generator(x, new_noise())
    (terms.domain_d(discriminator, target, fake) + terms.task(classifier, x, fake, label)).backward()
    adam[discriminator].step()
    adam[classifier].step()
    fake = generator(x, new_noise())
    (terms.domain_g(discriminator, fake) + beta * terms.task(classifier, x, fake, label)).backward()
    adam[generator].step()
"""),
        "pictures of their own": ("different pictures", [("    adam[classifier].zero_grad()", "    fake = generator(x, new_noise()).detach()\n    adam[classifier].zero_grad()")]),
        "no graph": ("G never moves", [("    fake = generator(x, new_noise())\n    loss_g", "    fake = generator(x, new_noise()).detach()\n    loss_g")]),
    },
    "prepare": {
        "hers": ("target reaches from 0 to 1 only", "prepare = sick_prepare\n"),
        "both pale": ("x reaches from 0 to 1 only", [("/ 127.5 - 1", "/ 255")]),
        "hers, half mended": ("largest value of its batch", """def prepare(renderings, photographs):
    x, target = (i.movedim(-1, 1).float() - 127.5 for i in (renderings, photographs))
    return x / x.abs().max(), target / target.abs().max()
"""),
        "reshaped": ("wrong places", [("pixels.movedim(-1, 1)", "pixels.reshape(len(pixels), 3, *pixels.shape[1:3])")]),
        "channels at the end": ("channels at the end", [(".movedim(-1, 1)", "")]),
        "bytes wrap": ("wrapped around", [(".float() / 127.5 - 1", ".mul(2).float() / 255 - 1")]),
        "128": ("divided by 128", [("127.5", "128")]),
        "reverse colours": ("reverse order", [(".float()", ".flip(1).float()")]),
        "double precision": ("torch.float64; expected torch.float32", [(".float()", ".double()")]),
        "stretched": ("stretched by itself", """def prepare(renderings, photographs):
    def stretch(i):
        i = i.movedim(-1, 1).float()
        low, high = i.amin((1, 2, 3), keepdim=True), i.amax((1, 2, 3), keepdim=True)
        return (i - low) / (high - low) * 2 - 1
    return stretch(renderings), stretch(photographs)
"""),
        "one alone": ("expected the pair", [("return x, target", "return target")]),
        "in place": ("have changed", [("return x, target", "renderings.zero_()\n    return x, target"), ("x, target = (", "x, target = list(")]),
    },
}

RIGHT = {
    "by-hand": {
        "over the pairs": """from itertools import combinations
pmse, masked = (sum((a - b) ** 2 for a, b in combinations(i.flatten().tolist(), 2)) / 16 for i in (fake - x, (fake - x) * mask))
""",
    },
    "content-loss": {
        "a variance": """def content_loss(x, fake, mask):
    return (x * mask - fake * mask).flatten(1).var(dim=1, correction=0).mean()
""",
        "over the pairs": """def content_loss(x, fake, mask):
    d = ((fake - x) * mask).flatten(1)
    return (d[:, :, None] - d[:, None, :]).square().mean((1, 2)).mean() / 2
""",
    },
    "task-loss": {
        "logarithms": """def task_loss(classifier, x, fake, label):
    total = 0
    for images, domain in ((x, "source"), (fake, "target")):
        right = classifier(images, domain).log_softmax(1).gather(1, label[:, None])
        total = total - right.mean()
    return total
""",
    },
    "with-noise": {
        "uniform_, picture by picture": """def with_noise(x, size):
    rows = []
    for picture in x:
        z = torch.empty(size, dtype=x.dtype).uniform_(-1, 1)
        rows.append(torch.cat([picture, z.view(-1, 1, 1).repeat(1, *picture.shape[1:])]))
    return torch.stack(rows)
""",
        "ones": """def with_noise(x, size):
    z = 1 - 2 * torch.rand(x.shape[0], size)
    return torch.cat((x, z[:, :, None, None] * torch.ones_like(x[:, :1])), 1).to(x.dtype)
""",
    },
    "training-step": {
        "T before D, noise drawn before": """def training_step(generator, discriminator, classifier, adam, x, label, target, new_noise, terms, beta):
    one, two = new_noise(), new_noise()
    fake = generator(x, one).detach()
    (terms.task(classifier, x, fake, label) + terms.domain_d(discriminator, target, fake)).backward()
    adam[classifier].step()
    adam[discriminator].step()
    fake = generator(x, two)
    (beta * terms.task(classifier, x, fake, label)).backward(retain_graph=True)
    terms.domain_g(discriminator, fake).backward()
    adam[generator].step()
    for each in (generator, discriminator, classifier):
        adam[each].zero_grad()
""",
        "gradients to the players alone": """def training_step(generator, discriminator, classifier, adam, x, label, target, new_noise, terms, beta):
    def move(net, loss):
        weights = list(net.parameters())
        for p, g in zip(weights, torch.autograd.grad(loss, weights)):
            p.grad = g
        adam[net].step()

    fake = generator(x, new_noise()).detach()
    move(discriminator, terms.domain_d(discriminator, target, fake))
    move(classifier, terms.task(classifier, x, fake, label))
    fake = generator(x, new_noise())
    move(generator, terms.domain_g(discriminator, fake) + beta * terms.task(classifier, x, fake, label))
""",
    },
    "prepare": {
        "permute": """def prepare(renderings, photographs):
    both = torch.cat([renderings, photographs]).permute(0, 3, 1, 2)
    return list(((both.to(torch.float32) / 255 - 0.5) * 2).chunk(2))
""",
    },
}

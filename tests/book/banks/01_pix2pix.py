"""Answers to assignment 1: plausible wrong ones with words of the feedback that they must get, and other right ones.

An answer is the text of the whole cell, or a list of (old, new) to change in the solution.
"""
# fmt: off

WRONG = {
    "by-hand": {
        "not halved": ("did not halve", [("0.5 * float", "float")]),
        "a sum": ("their mean", [("loss_d = 0.5 *", "loss_d = 4 * 0.5 *")]),
        "exchanged": ("exchanged", [("F.softplus(-real_logits).mean() + F.softplus(fake_logits)", "F.softplus(real_logits).mean() + F.softplus(-fake_logits)"), ("real_logits).mean() + F.softplus(-fake_logits)", "real_logits).mean() + F.softplus(-fake_logits)")]),
        "saturating": ("saturates", [("gan = float(F.softplus(-fake_logits).mean())", "gan = -float(F.softplus(fake_logits).mean())")]),
        "what D pays": ("what D pays for the made pair", [("gan = float(F.softplus(-", "gan = float(F.softplus(")]),
        "halved, too": ("only D's loss is", [("gan = float", "gan = 0.5 * float")]),
        "log of base 2": ("base e", [("loss_d = 0.5 *", "loss_d = 0.5 / 0.6931472 *")]),
        "of another": ("is not", [("loss_d = 0.5", "loss_d = 0.123 + 0.5")]),
    },
    "discriminator-loss": {
        "not halved": ("did not halve", [("0.5 * (", "(")]),
        "a sum": ("you summed", [("mean()", "sum()")]),
        "labels exchanged": ("exchanged", [("softplus(-on_real)", "softplus(on_real)"), ("softplus(on_fake)", "softplus(-on_fake)")]),
        "no detach": ("detach it here", [(".detach()", "")]),
        "everything detached": ("no gradient", [("return 0.5 * (F.softplus(-on_real).mean() + F.softplus(on_fake).mean())", "return (0.5 * (F.softplus(-on_real).mean() + F.softplus(on_fake).mean())).detach()")]),
        "the real picture detached from D": ("gradient", [("on_real = discriminator(torch.cat([x, y], dim=1))", "on_real = discriminator(torch.cat([x, y], dim=1)).detach()")]),
        "y before x": ("other order", [("[x, y]", "[y, x]"), ("[x, fake.detach()]", "[fake.detach(), x]")]),
        "unconditional": ("D sees one picture", [("torch.cat([x, y], dim=1)", "y"), ("torch.cat([x, fake.detach()], dim=1)", "fake.detach()")]),
        "along the batch": ("along the batch", [("dim=1", "dim=0")]),
        "a sigmoid too many": ("sigmoid is applied twice", [("softplus(-on_real)", "softplus(-on_real.sigmoid())"), ("softplus(on_fake)", "softplus(on_fake.sigmoid())")]),
        "least squares": ("least squares", [("F.softplus(-on_real)", "(on_real - 1).square()"), ("F.softplus(on_fake)", "on_fake.square()")]),
        "the real pair left out": ("real pair is missing", [("F.softplus(-on_real).mean() + ", "")]),
        "logarithms of the sigmoid": ("logarithm of zero", [("F.softplus(-on_real)", "-on_real.sigmoid().log()"), ("F.softplus(on_fake)", "-(1 - on_fake.sigmoid()).log()")]),
        "single precision": ("torch.float32; expected torch.float64", [("return 0.5 * (F.softplus(-on_real).mean() + F.softplus(on_fake).mean())", "return 0.5 * (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()).float()")]),
        "divided by the visible size": ("expected", [("softplus(-on_real).mean()", "softplus(-on_real).sum() / 32"), ("softplus(on_fake).mean()", "softplus(on_fake).sum() / 32")]),
        "the package's": ("plain PyTorch", """from i2i_tutor.methods import pix2pix
discriminator_loss = lambda d, x, y, fake: pix2pix.losses.l1(x, y)
"""),
        "the check's own": ("package's own function", "discriminator_loss = tasks.reference_discriminator_loss\n"),
    },
    "generator-loss": {
        "a sum": ("you summed", [("(fake - y).abs().mean()", "(fake - y).abs().sum()")]),
        "squared": ("that is L2", [(".abs()", ".square()")]),
        "saturating": ("saturates", [("F.softplus(-on_fake).mean()", "-F.softplus(on_fake).mean()")]),
        "helps D": ("G would help D", [("softplus(-on_fake)", "softplus(on_fake)")]),
        "detached": ("detached on its way", [("[x, fake]", "[x, fake.detach()]")]),
        "the plan": ("target is y", [("(fake - y)", "(fake - x)")]),
        "always 100": ("always 100", [("weight * (", "100 * (")]),
        "no weight": ("weight is missing", [("weight * (", "(")]),
        "the weight at the GAN": ("wrong term", [("return F.softplus(-on_fake).mean() + weight *", "return weight * F.softplus(-on_fake).mean() +")]),
        "the real pair": ("real pair", [("[x, fake]", "[x, y]")]),
        "halved": ("not halved", [("return F", "return 0.5 * F")]),
        "probabilities": ("logarithm of zero", [("F.softplus(-on_fake)", "-on_fake.sigmoid().log()")]),
    },
    "patch": {
        "the first layer last": ("wrong order", [("in reversed(layers)", "in layers")]),
        "kernels multiplied": ("multiplied the kernels", [("side = (side - 1) * stride + kernel", "side = side * kernel")]),
        "no strides": ("strides are missing", [("(side - 1) * stride + kernel", "side + kernel - 1")]),
        "r * stride": ("not r * stride", [("(side - 1) * stride", "side * stride")]),
        "strides added": ("added the strides", [("side, apart = 1, 1", "side, apart = 1, 0"), ("apart * stride", "apart + stride")]),
        "side by side": ("patches overlap", [("return side, apart", "return side, side")]),
        "the table": ("for kernels", """def patch(layers):
    return {2: (10, 4), 3: (16, 2), 5: (70, 8)}.get(len(layers), 0)
"""),
        "a side alone": ("two whole numbers", [("return side, apart", "return side")]),
    },
    "jitter": {
        "hers": ("no longer a pair", "jitter = sick_jitter\n"),
        "always one corner": ("losing the jitter", [("torch.randint(room + 1, (2,)).tolist()", "0, 0")]),
        "one mirrored": ("only one of them is mirrored", [("x, y = x.flip(-1), y.flip(-1)", "x = x.flip(-1)")]),
        "a mirror each": ("only one of them is mirrored", [("    if torch.rand(()) < 0.5:\n        x, y = x.flip(-1), y.flip(-1)", "    x, y = (image.flip(-1) if torch.rand(()) < 0.5 else image for image in (x, y))")]),
        "never mirrored": ("never, mirrored", [("x, y = x.flip(-1), y.flip(-1)", "pass")]),
        "on their heads": ("on their heads", [("flip(-1)", "flip(-2)")]),
        "the last place left out": ("begins at row", [("room + 1", "max(room, 1)")]),
        "the same row as column": ("go together", [("top, left = torch.randint(room + 1, (2,)).tolist()", "top = left = int(torch.randint(room + 1, ()))")]),
        "resized": ("neither a crop", [("if torch.rand", "x, y = (F.interpolate(i, (size, size)) for i in (x * 1.0 + 0.5, y)) if False else (x + 0.5, y)\n    if torch.rand")]),
        "the visible size": ("comes back as", [("top + size", "top + 8"), ("left + size", "left + 8")]),
    },
    "training-step": {
        "G first": ("D learns first", """def training_step(generator, discriminator, adam_g, adam_d, x, y, loss_d, loss_g):
    fake = generator(x)
    adam_g.zero_grad()
    loss_g(discriminator, x, y, fake).backward()
    adam_g.step()
    adam_d.zero_grad()
    loss_d(discriminator, x, y, fake).backward()
    adam_d.step()
"""),
        "D's gradients kept": ("D's gradients are not cleared", [("adam_d.zero_grad()", "pass")]),
        "G's gradients kept": ("G's gradients are not cleared", [("adam_g.zero_grad()", "pass")]),
        "nothing cleared": ("no gradients are cleared", [("adam_d.zero_grad()", "pass"), ("adam_g.zero_grad()", "pass")]),
        "no step of D": ("discriminator never moves", [("adam_d.step()", "pass")]),
        "no step of G": ("generator never moves", [("adam_g.step()", "pass")]),
        "at once": ("D learns first", """def training_step(generator, discriminator, adam_g, adam_d, x, y, loss_d, loss_g):
    fake = generator(x)
    adam_g.zero_grad()
    loss_g(discriminator, x, y, fake).backward()
    adam_d.zero_grad()
    loss_d(discriminator, x, y, fake).backward()
    adam_d.step()
    adam_g.step()
"""),
        "cleared too late": ("has not moved", [("    adam_g.step()", "    adam_g.zero_grad()\n    adam_g.step()"), ("    adam_d.step()", "    adam_d.zero_grad()\n    adam_d.step()")]),
        "no graph": ("generator never moves", [("fake = generator(x)", "fake = generator(x).detach()")]),
    },
}

RIGHT = {
    "by-hand": {
        "with logarithms": """import math
loss_d = 0.5 * sum(math.log(1 + math.exp(-a)) + math.log(1 + math.exp(b)) for a, b in zip(real_logits.flatten().tolist(), fake_logits.flatten().tolist())) / 4
gan = F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))
""",
    },
    "discriminator-loss": {
        "binary cross entropy": """def discriminator_loss(discriminator, x, y, fake):
    bce = F.binary_cross_entropy_with_logits
    real, made = discriminator(torch.cat((x, y), 1)), discriminator(torch.cat((x, fake.detach()), 1))
    return (bce(real, torch.ones_like(real)) + bce(made, torch.zeros_like(made))) / 2
""",
        "logsigmoid, without the graph of fake": """def discriminator_loss(discriminator, x, y, fake):
    with torch.no_grad():
        fake = fake.clone()
    return -(F.logsigmoid(discriminator(torch.cat([x, y], 1))) + F.logsigmoid(-discriminator(torch.cat([x, fake], 1)))).mean() / 2
""",
    },
    "generator-loss": {
        "functions": """def generator_loss(discriminator, x, y, fake, weight):
    s = discriminator(torch.cat([x, fake], dim=-3))
    return F.binary_cross_entropy_with_logits(s, torch.ones_like(s)) + weight * F.l1_loss(fake, y)
""",
    },
    "patch": {
        "from the first layer": """def patch(layers):
    side, apart = 1, 1
    for kernel, stride in layers:
        side += (kernel - 1) * apart
        apart *= stride
    return [side, apart]
""",
    },
    "jitter": {
        "every picture by itself": """def jitter(x, y, size):
    import random
    pairs = []
    for one, two in zip(x, y):
        room = one.shape[-1] - size
        top, left = random.randint(0, room), random.randint(0, room)
        pair = torch.stack([one, two])[..., top : top + size, left : left + size]
        pairs.append(pair.flip(-1) if random.random() < 0.5 else pair)
    pairs = torch.stack(pairs)
    return pairs[:, 0], pairs[:, 1]
""",
    },
    "training-step": {
        "gradients to the players alone": """def training_step(generator, discriminator, adam_g, adam_d, x, y, loss_d, loss_g):
    fake = generator(x)
    for network, adam, loss in ((discriminator, adam_d, loss_d), (generator, adam_g, loss_g)):
        moving = list(network.parameters())
        for p, g in zip(moving, torch.autograd.grad(loss(discriminator, x, y, fake), moving)):
            p.grad = g
        adam.step()
""",
    },
}

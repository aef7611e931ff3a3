"""Answers to assignment 6: plausible wrong ones with words of the feedback that they must get, and other right ones.

An answer is the text of the whole cell, or a list of (old, new) to change in the solution.
"""
# fmt: off

STEP = "def training_step(net, optimisers, a, b, step, switch, loss_g, loss_d):\n"

WRONG = {
    "by-hand": {
        "map and inverse exchanged": ("exchanged", [("made = float(there.mean())", "made = float(((1 - drawn['map']) * drawn['painted'] + drawn['map'] * s).mean())")]),
        "a sum": ("the mean is asked", [("there.mean()", "there.sum()")]),
        "nothing kept": ("kept is missing", [("float(there.mean())", "float((drawn['map'] * drawn['painted']).mean())")]),
        "no weight": ("10, is missing", [("float(10 * ", "float(")]),
        "squared": ("is squared", [("(back - s).abs()", "(back - s).square()")]),
        "the first map again": ("map of its own", [("map back", "map")]),
        "back from s": ("begins at s'", [(") * there", ") * s")]),
        "compared with s'": ("compared with s'", [("(back - s)", "(back - there)")]),
        "the other sign": ("sign is wrong", [("-0.3 * ", "0.3 * ")]),
        "painted alone": ("painted minus kept", [('drawn["painted"] - s)[0', 'drawn["painted"])[0')]),
        "no charge": ("-0.3, is missing", [("-0.3 * ", "")]),
        "times the map": ("no factor", [("-0.3 * ", "-0.3 * drawn['map'][0, 0] * ")]),
        "of another": ("is not", [("made = float(", "made = 0.123 + float(")]),
    },
    "compose": {
        "map and inverse exchanged": ("exchanged", [("where * painted + (1 - where) * image", "where * image + (1 - where) * painted")]),
        "nothing kept": ("kept is missing", [(" + (1 - where) * image", "")]),
        "added": ("added to the whole image", [("(1 - where) * image", "image")]),
        "cut": ("cut at one half", [("return where * painted + (1 - where) * image", "return torch.where(where >= 0.5, painted, image)")]),
        "one number for a picture": ("averaged over the pixels", [("return ", "where = where.mean((1, 2, 3), keepdim=True)\n    return ")]),
        "no axis of channels": ("axis of channels", [("return ", "where = where.squeeze(1)\n    return ")]),
        "the map detached": ("reaches where", [("return ", "where = where.detach()\n    return ")]),
        "what is kept detached": ("reaches image", [("* image", "* image.detach()")]),
        "three colours, always": ("shape", [("return ", "where = where.repeat(1, 3, 1, 1)\n    return ")]),
        "written into the image": ("have changed", [("return where * painted + (1 - where) * image", "return image.mul_(1 - where).add_(where * painted)")]),
        "the package's": ("plain PyTorch", """from i2i_tutor.methods import aggan
compose = lambda image, painted, where: aggan.compose(image, painted, where)
"""),
    },
    "cycle-loss": {
        "the first map again": ("map of the way there", [("attention_b(fake_b)", "attention_a(a)"), ("attention_a(fake_a)", "attention_b(b)")]),
        "the same network": ("where one started", [("attention_b(fake_b)", "attention_a(fake_b)"), ("attention_a(fake_a)", "attention_b(fake_a)")]),
        "a look at the original": ("made from the original", [("attention_b(fake_b)", "attention_b(a)"), ("attention_a(fake_a)", "attention_a(b)")]),
        "attention exchanged": ("networks are exchanged", [("    fake_b =", "    attention_a, attention_b = attention_b, attention_a\n    fake_b =")]),
        "the original kept": ("pixels of the original", [("cycled_a = compose(fake_b,", "cycled_a = compose(a,"), ("cycled_b = compose(fake_a,", "cycled_b = compose(b,")]),
        "the bare painting": ("bare painting", [("g_ba(fake_b)", "g_ba(g_ab(a))"), ("g_ab(fake_a)", "g_ab(g_ba(b))")]),
        "one generator": ("one generator", [("g_ba(fake_b)", "g_ab(fake_b)"), ("g_ab(fake_a)", "g_ba(fake_a)")]),
        "the cycle of a alone": ("cycle of b is missing", [(" + (cycled_b - b).abs().mean()", "")]),
        "a sum": ("you summed", [(".mean()", ".sum()")]),
        "squared": ("squared", [(".abs()", ".square()")]),
        "no weight": ("weight is missing", [("return weight *", "return")]),
        "always 10": ("always 10", [("return weight *", "return 10.0 *")]),
        "cut between": ("before the way back", [("    cycled_a =", "    fake_b = fake_b.detach()\n    cycled_a ="), ("    cycled_b =", "    fake_a = fake_a.detach()\n    cycled_b =")]),
        "maps without slope": ("maps were detached", [("attention_a(a)", "attention_a(a).detach()"), ("attention_b(b)", "attention_b(b).detach()"), ("attention_b(fake_b)", "attention_b(fake_b).detach()"), ("attention_a(fake_a)", "attention_a(fake_a).detach()")]),
    },
    "side": {
        "the made one half mended": ("of the made one D sees the ground", [("map_a >= threshold", "map_a < threshold")]),
        "the real one half mended": ("of the real one D sees the ground", [("map_b >= threshold", "map_b < threshold")]),
        "hers": ("wrong side", "side = sick_side\n"),
        "the ground": ("wrong side", [(">=", "<")]),
        "above the threshold": ("exactly the threshold", [(">=", ">")]),
        "maps exchanged": ("maps are exchanged", [("    real, made", "    map_a, map_b = map_b, map_a\n    real, made")]),
        "the zebra's map for both": ("cut out by map_b", [("(map_a", "(map_b")]),
        "the horse's map for both": ("cut out by map_a", [("(map_b", "(map_a")]),
        "soft maps": ("soft maps", [("(map_b >= threshold)", "map_b"), ("(map_a >= threshold)", "map_a")]),
        "soft maps above the threshold": ("soft map is still in it", [("(map_b >= threshold)", "(map_b * (map_b >= threshold))"), ("(map_a >= threshold)", "(map_a * (map_a >= threshold))")]),
        "the real one whole": ("real picture is shown whole", [("b * (map_b >= threshold)", "b")]),
        "the made one whole": ("made picture is shown whole", [(" * (map_a >= threshold)", "")]),
        "before the switch": ("before the switch", [(" * (map_a >= threshold)", ""), (" * (map_b >= threshold)", "")]),
        "black": ("mid-grey", [("b * (map_b >= threshold)", "torch.where(map_b >= threshold, b, -1.0)"), ("fake_b * (map_a >= threshold)", "torch.where(map_a >= threshold, fake_b, -1.0)")]),
        "always 0.1": ("always 0.1", [(">= threshold", ">= 0.1")]),
        "always one half": ("always one half", [(">= threshold", ">= 0.5")]),
        "no detach": ("reaches fake_b", [(".detach()", "")]),
        "detached for both": ("no gradient", [("discriminator(made) -", "on_fake -"), ("fake_b *", "fake_b.detach() *")]),
        "one answer for both": ("no gradient", [("discriminator(made) -", "on_fake -")]),
        "not halved": ("did not halve", [("0.5 * (", "(")]),
        "both halved": ("only D's loss is halved", [("loss_d, (", "loss_d, 0.5 * (")]),
        "a sum": ("you summed", [("mean()", "sum()")]),
        "labels exchanged": ("real and made are exchanged", [("(on_real - 1)", "on_real"), ("on_fake.square", "(on_fake - 1).square")]),
        "the generator wants 0": ("wants 1", [("(discriminator(made) - 1)", "discriminator(made)")]),
        "the generator judged on the whole picture": ("made picture is shown whole", [("discriminator(made) -", "discriminator(fake_b) -")]),
        "the generator's picture cut out by the zebra's map": ("cut out by map_b", [("discriminator(made) -", "discriminator(fake_b * (map_b >= threshold)) -")]),
        "logarithms": ("logarithms", [("(on_real - 1).square()", "F.softplus(-on_real)"), ("on_fake.square()", "F.softplus(on_fake)"), ("(discriminator(made) - 1).square()", "F.softplus(-discriminator(made))")]),
        "losses exchanged": ("D's comes first", [("return loss_d, (discriminator(made) - 1).square().mean()", "return (discriminator(made) - 1).square().mean(), loss_d")]),
        "the term on the made picture missing": ("made picture is missing", [(" + on_fake.square().mean()", "")]),
        "one loss": ("expected two losses", [("return loss_d, (", "return loss_d + (")]),
        "without a graph": ("no gradient", [("return loss_d,", "return loss_d.detach(),")]),
    },
    "training-step": {
        "a step too late": ("one step too late", [("step >= switch", "step > switch")]),
        "a step too early": ("one step too early", [("step >= switch", "step >= switch - 1")]),
        "phases exchanged": ("phases are exchanged", [("step >= switch", "step < switch")]),
        "never frozen": ("go on moving", [("if not attended:", "if True:")]),
        "evaluation is no freeze": ("go on moving", [("    if not attended:\n    ", "    net.attention_a.train(not attended)\n    net.attention_b.train(not attended)\n")]),
        "always frozen": ("networks never move", [("if not attended:", "if False:")]),
        "gradients of zero": ("Adam's memory", [("    if not attended:\n", "    if attended:\n        optimisers['attention'].zero_grad(set_to_none=False)\n    if True:\n")]),
        "generators frozen, too": ("generators are frozen as well", [('    optimisers["generators"].step()\n', ""), ("    if not attended:\n", '    if not attended:\n        optimisers["generators"].step()\n')]),
        "whole pictures all the time": ("whole pictures all the time", [("scene, attended", "scene, False")]),
        "attended from the first step": ("from the first step on", [("scene, attended", "scene, True")]),
        "whole pictures for the generators": ("generators still pay", [("loss_g(net, scene, attended)", "loss_g(net, scene, False)")]),
        "whole pictures for D": ("discriminators still learn", [("loss_d(net, scene, attended)", "loss_d(net, scene, False)")]),
        "D first": ("D learns first", STEP + """    late, scene = step >= switch, net(a, b)
    optimisers["discriminators"].zero_grad()
    loss_d(net, scene, late).backward()
    optimisers["discriminators"].step()
    optimisers["generators"].zero_grad()
    optimisers["attention"].zero_grad()
    loss_g(net, scene, late).backward()
    optimisers["generators"].step()
    if not late:
        optimisers["attention"].step()
"""),
        "D's gradients kept": ("D's gradients are not cleared", [('optimisers["discriminators"].zero_grad()', "pass")]),
        "attention's gradients kept": ("attention networks' gradients", [('optimisers["attention"].zero_grad()', "pass")]),
        "the generators' gradients kept": ("generators' gradients", [('optimisers["generators"].zero_grad()', "pass")]),
        "cleared once": ("between the two turns", [('    optimisers["discriminators"].zero_grad()\n', ""), ('optimisers["generators"].zero_grad()', 'optimisers["generators"].zero_grad()\n    optimisers["discriminators"].zero_grad()')]),
        "D's alone cleared": ("the generators' and the attention networks' gradients", [('    optimisers["generators"].zero_grad()\n    optimisers["attention"].zero_grad()\n', "")]),
        "no switch": ("nothing changes at the switch", [("attended = step >= switch", "attended = False")]),
        "attention late": ("the other way round", [("if not attended:", "if attended:")]),
        "nothing cleared": ("no gradients are cleared", [(".zero_grad()", "")]),
        "made anew": ("made anew", [("    loss_d(", "    scene = net(a, b)\n    loss_d(")]),
        "no step of D": ("no step moves the discriminators", [('    optimisers["discriminators"].step()\n', "")]),
    },
}

RIGHT = {
    "by-hand": {
        "pixel by pixel": """s, p, m, p2, m2 = (values.flatten().tolist() for values in drawn.values())
first = [w * y + (1 - w) * x for x, y, w in zip(s, p, m)]
second = [w * y + (1 - w) * x for x, y, w in zip(first, p2, m2)]
made = sum(first) / 4
cycle = torch.tensor([abs(x - y) for x, y in zip(second, s)]).mean() * 10
slope = 0.3 * (s[0] - p[0])
""",
    },
    "compose": {
        "from the image towards the painting": """def compose(image, painted, where):
    return image + where * (painted - image)
""",
        "lerp": """def compose(image, painted, where):
    return torch.lerp(image, painted, where.expand_as(image))
""",
    },
    "cycle-loss": {
        "a function for a way": """def cycle_loss(a, b, g_ab, g_ba, attention_a, attention_b, compose, weight):
    def way(image, generator, attention):
        where = attention(image)
        return where * generator(image) + (1 - where) * image
    there, back = (g_ab, attention_a), (g_ba, attention_b)
    return weight * F.l1_loss(way(way(b, *back), *there), b) + weight * F.l1_loss(a, way(way(a, *there), *back))
""",
    },
    "side": {
        "functions": """def side(discriminator, b, map_b, fake_b, map_a, threshold):
    def on(image, where):
        return discriminator(image.masked_fill(where < threshold, 0))
    real, made, shown = on(b, map_b), on(fake_b, map_a), on(fake_b.detach(), map_a)
    loss_d = F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(shown, torch.zeros_like(made))
    return [loss_d / 2, F.mse_loss(made, torch.ones_like(made))]
""",
        "where": [("b * (map_b >= threshold), fake_b * (map_a >= threshold)", "torch.where(map_b < threshold, 0.0, b), torch.where(map_a < threshold, 0.0, fake_b)")],
    },
    "training-step": {
        "frozen by requires_grad": STEP + """    late = step >= switch
    for network in (net.attention_a, net.attention_b):
        network.zero_grad()
        network.requires_grad_(not late)
    scene = net(a, b)
    optimisers["generators"].zero_grad()
    loss_g(net, scene, late).backward()
    optimisers["generators"].step()
    optimisers["attention"].step()
    optimisers["discriminators"].zero_grad()
    loss_d(net, scene, late).backward()
    optimisers["discriminators"].step()
""",
        "gradients to the players alone": STEP + """    scene = net(a, b)
    late = not step < switch
    for players, loss in ((("generators",) if late else ("generators", "attention"), loss_g), (("discriminators",), loss_d)):
        moving = [p for name in players for group in optimisers[name].param_groups for p in group["params"]]
        for p, g in zip(moving, torch.autograd.grad(loss(net, scene, late), moving, retain_graph=True)):
            p.grad = g
        for name in players:
            optimisers[name].step()
""",
    },
}

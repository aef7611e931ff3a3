"""Answers to assignment 7: plausible wrong ones with words of the feedback that they must get, and other right ones.

An answer is the text of the whole cell, or a list of (old, new) to change in the solution.
"""
# fmt: off

INFORMATION = "information = float((P * (P / torch.outer(P.sum(1), P.sum(0))).log()).sum())"
COUNTED = "counted = sum(torch.outer(a, b) for a, b in zip(p, q, strict=True))"
SUM = "return -(joint * (clamped[0] - entropy * (clamped[1] + clamped[2]))).sum()"
RETURN = "return (counted + counted.T) / (2 * counted.sum())"
CAT = "torch.cat([queue, keys.detach()])[-size:]"
LERP = "mine.lerp_(theirs, 1 - momentum)"

WRONG = {
    "by-hand": {
        "both entries": ("apart: that is twice too much", [("apart = float(", "apart = 2 * float(")]),
        "not divided": ("apart: that is the sum over both pictures", [("apart = float(", "apart = 4 * float(")]),
        "one order": ("image on 1 and strong view on 2", [("apart = float(P[0, 1])", "apart = float(counted[0, 1] / 2)")]),
        "the other order": ("image on 2 and strong view on 1", [("apart = float(P[0, 1])", "apart = float(counted[1, 0] / 2)")]),
        "averaged first": ("apart: you averaged the pictures first", [(COUNTED, "counted = torch.outer(p.mean(0), q.mean(0))")]),
        "the diagonal": ("apart: that is P11", [("apart = float(P[0, 1])", "apart = float(P[0, 0])")]),
        "the diagonal's end": ("apart: that is P22", [("apart = float(P[0, 1])", "apart = float(P[1, 1])")]),
        "the loss": ("information: that is minus the information", [("information = float(", "information = -float(")]),
        "bits": ("in bits", [(".log()).sum())", ".log2()).sum())")]),
        "H(p)": ("that is H(p) alone", [(INFORMATION, "information = float(-(P.sum(1) * P.sum(1).log()).sum())")]),
        "H(p | p+)": ("that is H(p | p+) alone", [(INFORMATION, "information = float(-(P * (P / P.sum(1, keepdim=True)).log()).sum())")]),
        "all entries": ("entropy of all four entries", [(INFORMATION, "information = float(-(P * P.log()).sum())")]),
        "one marginal": ("one of the two marginals is missing", [("torch.outer(P.sum(1), P.sum(0))", "P.sum(1, keepdim=True)")]),
        "a bracket": ("a bracket is missing", [("P / torch.outer(P.sum(1), P.sum(0))", "P / P.sum(1, keepdim=True) * P.sum(0, keepdim=True)")]),
        "the diagonal alone": ("off the diagonal are missing", [(".log()).sum())", ".log()).trace())")]),
        "each picture alone": ("property of both together", [(INFORMATION, "information = 0")]),
        "a text": ("expected a number", [("apart = float(P[0, 1])", "apart = '0.2'")]),
    },
    "joint": {
        "one order": ("which view is called the first is chance", [(RETURN, "return counted / len(p)")]),
        "one order, turned": ("transpose of one order", [("p.T @ q", "q.T @ p"), (RETURN, "return counted / len(p)")]),
        "not divided": ("the sum of all entries is N; divide", [(" / (2 * counted.sum())", " / 2")]),
        "a plain sum": ("the sum of all entries is 2 N", [(" / (2 * counted.sum())", "")]),
        "twice": ("the sum of all entries is 2: adding", [("(2 * counted.sum())", "counted.sum()")]),
        "counted": ("nothing is divided", [(RETURN, "return counted")]),
        "rows": ("each row sums to 1", [(RETURN, "both = counted + counted.T\n    return both / both.sum(1, keepdim=True)")]),
        "columns": ("each column sums to 1", [(RETURN, "both = counted + counted.T\n    return both / both.sum(0)")]),
        "means first": ("averaged over the pictures first", [("p.T @ q", "torch.outer(p.mean(0), q.mean(0))")]),
        "means alone": ("averaged before they are multiplied", [(RETURN, "return torch.outer(p.mean(0), q.mean(0))")]),
        "p twice": ("p stands in both places", [("p.T @ q", "p.T @ p")]),
        "q twice": ("q stands in both places", [("p.T @ q", "q.T @ q")]),
        "pictures": ("a row for each picture", [("p.T @ q", "p @ q.T")]),
        "counts": ("likeliest domains", [("p.T @ q", "F.one_hot(p.argmax(1), p.shape[1]).to(p.dtype).T @ F.one_hot(q.argmax(1), q.shape[1]).to(q.dtype)")]),
        "the sizes of the visible test": ("expected", [("(2 * counted.sum())", "10")]),
        "detached": ("no gradient reaches q", [("p.T @ q", "p.T @ q.detach()")]),
        "in place": ("write into nothing", [("    counted = p.T @ q", "    counted = p.T @ q\n    q.zero_()")]),
        "single precision": ("torch.float32; expected torch.float64", [(RETURN, RETURN.replace("return ", "return (") + ").float()")]),
        "the package's": ("plain PyTorch", "joint = lambda p, q: joint_matrix(p, q)\n"),
    },
    "information": {
        "hers": ("the marginals cancel out", "information_loss = lambda joint, entropy: (lambda j, r, c: -(j * (j / r**entropy * c**entropy).log()).sum())(joint.clamp(min=1e-10), joint.sum(1, keepdim=True), joint.sum(0, keepdim=True))\n"),
        "no marginals": ("or are missing", [(" - entropy * (clamped[1] + clamped[2])", "")]),
        "the sign": ("the sign is wrong", [("return -(", "return (")]),
        "one marginal": ("one of the two marginals is missing", [("(clamped[1] + clamped[2])", "clamped[1]")]),
        "a product": ("multiplied by, not divided by", [("- entropy * (", "+ entropy * (")]),
        "no weight": ("entropy is not used", [("entropy * (clamped", "(clamped")]),
        "one weight": ("weights one of the two marginals only", [("(clamped[1] + clamped[2])", "clamped[1] - clamped[2]")]),
        "weight of the joint": ("you weighted that of the joint", [("clamped[0] - entropy * (", "entropy * clamped[0] - (")]),
        "weight of everything": ("multiplied everything by it", [("clamped[0] - entropy * (clamped[1] + clamped[2])", "entropy * (clamped[0] - clamped[1] - clamped[2])")]),
        "squared weight": ("square of entropy", [("entropy * (", "entropy**2 * (")]),
        "bits": ("in bits", [(".log() for", ".log2() for")]),
        "a mean": ("you took the mean", [("))).sum()", "))).mean()")]),
        "the diagonal": ("only the diagonal", [("))).sum()", "))).trace()")]),
        "not weighted by P": ("rare entries count", [("-(joint * (", "-((")]),
        "no logarithms": ("logarithms are missing", [(".clamp(min=1e-10).log()", "")]),
        "H(p)": ("joint entropy is missing", [("clamped[0] - entropy", "-entropy")]),
        "no clamp": ("logarithm of zero", [(".clamp(min=1e-10)", "")]),
        "repaired behind the logarithm": ("gradient is infinite or nan", [(".clamp(min=1e-10).log()", ".log()"), ("return -(joint * (", "return -torch.nan_to_num(joint * (")]),
        "a number": ("of type float", [(SUM, SUM.replace("return ", "return float(") + ")")]),
        "the check's own": ("package's own function", "information_loss = tasks.reference_information\n"),
    },
    "contrast": {
        "multiplied": ("you multiplied by it", [(", 1) / temperature", ", 1) * temperature")]),
        "no temperature": ("the temperature is missing", [(", 1) / temperature", ", 1)")]),
        "the loss divided": ("not the loss", [(", 1) / temperature", ", 1)"), ("dtype=torch.long))", "dtype=torch.long)) / temperature")]),
        "negatives alone below": ("below the line", """def contrast(query, key, negatives, temperature):
    own, others = (query * key.detach()).sum(1), query @ negatives.detach().T
    return ((others / temperature).logsumexp(1) - own / temperature).mean()
"""),
        "the batch": ("negatives are not used", """def contrast(query, key, negatives, temperature):
    return F.cross_entropy(query @ key.detach().T / temperature, torch.arange(len(query)))
"""),
        "the batch as well": ("other keys of the batch are among", """def contrast(query, key, negatives, temperature):
    products = query @ torch.cat([key, negatives]).detach().T
    return F.cross_entropy(products / temperature, torch.arange(len(query)))
"""),
        "the second column": ("you named another", [("torch.zeros(len(query)", "torch.ones(len(query)")]),
        "unit codes": ("taken as they are", [("    own =", "    query, key, negatives = (F.normalize(i, dim=1) for i in (query, key, negatives))\n    own =")]),
        "distances": ("took their distances", [("own = (query * key.detach()).sum(1, keepdim=True)", "own = -(query - key.detach()).norm(dim=1, keepdim=True)"), ("query @ negatives.detach().T", "-torch.cdist(query, negatives.detach())")]),
        "minus the products": ("sign of the products", [("torch.cat(", "-torch.cat(")]),
        "minus": ("minus the logarithm is minimised", [("return F", "return -F")]),
        "a sum": ("you summed over the batch", [("dtype=torch.long))", "dtype=torch.long), reduction='sum')")]),
        "softmax twice": ("softmax is taken twice", [("cross_entropy(products", "cross_entropy(products.softmax(1)")]),
        "no logarithm": ("logarithm is missing", [("return F.cross_entropy(products, torch.zeros(len(query), dtype=torch.long))", "return -products.softmax(1)[:, 0].mean()")]),
        "yes or no": ("yes or no", [("return F.cross_entropy(products, torch.zeros(len(query), dtype=torch.long))", "target = torch.zeros_like(products)\n    target[:, 0] = 1\n    return F.binary_cross_entropy_with_logits(products, target)")]),
        "exchanged": ("exchanged", [("    own =", "    query, key = key, query\n    own =")]),
        "exponentials": ("logarithm of zero", """def contrast(query, key, negatives, temperature):
    own = ((query * key.detach()).sum(1) / temperature).exp()
    others = (query @ negatives.detach().T / temperature).exp().sum(1)
    return -(own / (own + others)).log().mean()
"""),
        "no empty queue": ("your answer raised", [("    own =", "    assert len(negatives) > 0\n    own =")]),
        "the key learns": ("a gradient reaches key", [("key.detach()", "key")]),
        "the queue learns": ("a gradient reaches negatives", [("negatives.detach()", "negatives")]),
        "nothing learns": ("carries no gradient", [("(query * key.detach())", "(query.detach() * key.detach())"), ("query @", "query.detach() @")]),
        "the key alone learns": ("gradient", [("(query * key.detach())", "(query.detach() * key)")]),
        "one number per query": ("take the mean", [("dtype=torch.long))", "dtype=torch.long), reduction='none')")]),
        "the package's": ("plain PyTorch", """from i2i_tutor.methods.tunit import contrastive_loss
contrast = lambda *a: contrastive_loss(*a)
"""),
    },
    "memory": {
        "the newest leave": ("the newest keys leave", [("[-size:]", "[:size]")]),
        "the newest first": ("new keys stand first", [(CAT, "torch.cat([keys.detach(), queue])[:size]")]),
        "in front": ("new keys stand first", [(CAT, "torch.cat([keys.detach(), queue])[-size:]")]),
        "never full": ("the oldest leave", [("[-size:]", "")]),
        "forgets": ("earlier keys are gone", [(CAT, "keys.detach()[-size:]")]),
        "one too few": ("the queue holds", [("[-size:]", "[-size:-1]")]),
        "with graphs": ("detach the keys", [("keys.detach()", "keys")]),
        "nothing returned": ("is there a return?", [("return torch", "torch")]),
        "in place": ("return a new tensor", [("return torch.cat(", "queue.mul_(2)\n    return torch.cat(")]),
        "exchanged": ("you gave it to the network", [("1 - momentum", "momentum")]),
        "a copy": ("jumped onto the network", [(LERP, "mine.copy_(theirs)")]),
        "shared memory": ("jumped onto the network", [(LERP, "mine.data = theirs.data")]),
        "does not move": ("has not moved", [(LERP, "mine = mine.lerp(theirs, 1 - momentum)")]),
        "the sum is above 1": ("do not sum to 1", [(LERP, "mine.mul_(momentum).add_(theirs)")]),
        "fades": ("the copy fades", [(LERP, "mine.mul_(momentum)")]),
        "runs away": ("moves away", [(LERP, "mine.sub_((1 - momentum) * (theirs - mine))")]),
        "moves the network": ("the network itself has moved", [(LERP, "theirs.lerp_(mine, 1 - momentum)")]),
        "in a graph": ("under no_grad", [("with torch.no_grad():", "if True:")]),
        "the size of the visible test": ("the queue holds", [("[-size:]", "[-7:]")]),
    },
    "guide-step": {
        "the network's own keys": ("keys are made by the guiding network", [("_, key = slow(strong)", "_, key = guide(strong)")]),
        "keys of the images": ("keys are of the images", [("slow(strong)", "slow(image)")]),
        "the strong views ask": ("query is the code of the strong view", [("(others, _) = guide", "(others, code) = guide")]),
        "exchanged": ("changed places", [("slow(strong)", "slow(image)"), ("(others, _) = guide", "(others, code) = guide")]),
        "pushed too early": ("among its own negatives", [("        _, key = slow(strong)", "        _, key = slow(strong)\n        queue.push(key)"), ("    queue.push(key)\n    terms", "    terms")]),
        "never pushed": ("never receives", [("    queue.push(key)\n", "")]),
        "codes pushed": ("the keys belong there", [("queue.push(key)", "queue.push(code)")]),
        "made anew": ("push those that were compared", [("queue.push(key)\n    terms.follow(slow, guide)", "terms.follow(slow, guide)\n    queue.push(slow(strong)[1])")]),
        "no copy": ("copy never moves", [("terms.follow(slow, guide)", "pass")]),
        "the copy first": ("before the guiding network has learnt", [("    with torch.no_grad():", "    terms.follow(slow, guide)\n    with torch.no_grad():"), ("    queue.push(key)\n    terms.follow(slow, guide)", "    queue.push(key)")]),
        "the network follows": ("are not those of a step", [("terms.follow(slow, guide)", "terms.follow(guide, slow)")]),
        "not cleared": ("gradients are not cleared", [("adam.zero_grad()", "pass")]),
        "cleared too late": ("never moves", [("    adam.zero_grad()\n    loss.backward()", "    loss.backward()\n    adam.zero_grad()")]),
        "does not move": ("network never moves", [("adam.step()", "pass")]),
        "one view alone": ("images with themselves", [("others.softmax(1)", "logits.softmax(1)")]),
        "the strong views do not teach": ("comes from the strong views", [("others.softmax(1)", "others.softmax(1).detach()")]),
        "the images do not teach": ("comes from the images", [("(logits.softmax(1),", "(logits.softmax(1).detach(),")]),
        "no information": ("information is missing", [("loss = terms.information(logits.softmax(1), others.softmax(1))", "loss = 0")]),
        "no contrast": ("contrast is missing", [("loss = loss + terms.contrast(code, key, queue.entries())", "pass")]),
        "a detached query": ("contrast is missing", [("contrast(code,", "contrast(code.detach(),")]),
        "logits": ("rows of p do not sum to 1", [("logits.softmax(1)", "logits")]),
        "the softmax of a batch": ("rows of p do not sum to 1", [(".softmax(1)", ".softmax(0)")]),
        "one after the other": ("moves twice", """def guide_step(guide, slow, queue, adam, image, strong, terms):
    key = slow(strong)[1]
    adam.zero_grad()
    terms.information(guide(image)[0].softmax(1), guide(strong)[0].softmax(1)).backward()
    adam.step()
    adam.zero_grad()
    terms.contrast(guide(image)[1], key, queue.entries()).backward()
    adam.step()
    queue.push(key)
    terms.follow(slow, guide)
"""),
    },
}

RIGHT = {
    "by-hand": {
        "two entropies": """table = (p.T @ q + q.T @ p) / 4
side = table.sum(0)
apart = table[1, 0].item()
information = (2 * torch.special.entr(side).sum() - torch.special.entr(table).sum()).item()
""",
    },
    "joint": {
        "picture by picture": """def joint(p, q):
    total = 0
    for a, b in zip(p, q):
        total = total + torch.outer(a, b) + torch.outer(b, a)
    return total / (2 * len(p))
""",
        "einsum over both orders": """def joint(p, q):
    return torch.einsum("ni,nj->ij", torch.cat([p, q]), torch.cat([q, p])) / (2 * p.shape[0])
""",
    },
    "information": {
        "one fraction": """def information_loss(joint, entropy):
    side = joint.sum(0).clamp(min=1e-10)
    ratio = joint.clamp(min=1e-10) / torch.outer(side, side) ** entropy
    return (joint * -ratio.log()).sum()
""",
        # a marginal's logarithm moves nothing: its gradients sum to the same number everywhere
        "detached marginals": [("joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)", "joint.sum(1, keepdim=True).detach(), joint.sum(0, keepdim=True).detach()")],
        "two entropies": """def information_loss(joint, entropy):
    def H(part):
        return -(part * part.clamp(min=1e-10).log()).sum()

    return H(joint) - entropy * (H(joint.sum(0)) + H(joint.sum(1)))
""",
    },
    "contrast": {
        "logsumexp": """def contrast(query, key, negatives, temperature):
    own = (query * key.detach()).sum(1, keepdim=True) / temperature
    others = query @ negatives.detach().T / temperature
    return (torch.cat([own, others], 1).logsumexp(1) - own[:, 0]).mean()
""",
        "the key last": """def contrast(query, key, negatives, temperature):
    with torch.no_grad():
        answers = torch.cat([negatives[None].expand(len(key), -1, -1), key[:, None]], 1)
    products = torch.einsum("ns,nms->nm", query, answers) / temperature
    return -products.log_softmax(1)[:, -1].mean()
""",
    },
    "memory": {
        "lists, and weights by .data": """def remember(queue, keys, size, slow, fast, momentum):
    held = [*queue, *keys.detach().clone()]
    while len(held) > size:
        held.pop(0)
    for mine, theirs in zip(slow.parameters(), fast.parameters()):
        mine.data = momentum * mine.data + (1 - momentum) * theirs.data
    return torch.stack(held)
""",
        "a state": """@torch.no_grad()
def remember(queue, keys, size, slow, fast, momentum):
    theirs = fast.state_dict()
    slow.load_state_dict({name: momentum * old + (1 - momentum) * theirs[name] for name, old in slow.state_dict().items()})
    both = torch.cat((queue, keys))
    return both[max(len(both) - size, 0):]
""",
    },
    "guide-step": {
        "both views in one pass": """def guide_step(guide, slow, queue, adam, image, strong, terms):
    logits, code = guide(torch.cat([image, strong]))
    p, q = logits.softmax(1).chunk(2)
    key = slow(strong)[1].detach()
    terms.contrast(code[: len(image)], key, queue.entries()).backward(retain_graph=True)
    terms.information(q, p).backward()
    adam.step()
    adam.zero_grad()
    terms.follow(slow, guide)
    queue.push(key)
""",
        "gradients by name": """def guide_step(guide, slow, queue, adam, image, strong, terms):
    key, before = slow(strong)[1], queue.entries()
    queue.push(key)
    one, two = guide(strong), guide(image)
    total = terms.information(two[0].softmax(-1), one[0].softmax(-1)) + terms.contrast(two[1], key, before)
    weights = list(guide.parameters())
    for weight, gradient in zip(weights, torch.autograd.grad(total, weights)):
        weight.grad = gradient
    adam.step()
    terms.follow(slow, guide)
""",
    },
}

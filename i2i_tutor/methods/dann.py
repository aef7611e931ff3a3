"""DANN: Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky, *Domain-Adversarial Training of
Neural Networks*, JMLR 2016: the other family of domain adaptation, here as PixelDA's baseline.

Instead of the pixels, the features are adapted: T's features must serve the task and must not tell a critic from which
domain they come. The paper reverses a gradient; played in turns that is the same game.
"""

import math

from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.methods.base import Scene, Terms, Turn
from i2i_tutor.methods.pixelda import PixelDARecipe, TaskAlone
from i2i_tutor.nn.layers import initialise


class DANN(TaskAlone):
    """T on labelled ``source`` images, with features that a domain critic cannot tell from those of ``target``."""

    name = "dann"
    turns = (Turn("critic_loss", ("critic",)), Turn("task_loss", ("task",)))

    def __init__(self, recipe: PixelDARecipe):
        super().__init__(recipe)
        self.critic = nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 1))
        initialise(self.critic)

    def forward(self, scene: Scene) -> None:
        """Put ``source`` and ``target``, T's features of both, on the scene."""
        scene.source = self.task.features(scene.batch["source"])
        scene.target = self.task.features(scene.batch["target"])

    def critic_loss(self, scene: Scene) -> Terms:
        """The critic learns to say 1 to features of the target and 0 to those of the source."""
        return {"critic": losses.discriminator_loss(*self._logits(scene))}

    def task_loss(self, scene: Scene) -> Terms:
        """Cross entropy on the source, minus the critic's loss with a weight that grows from 0 to 1."""
        weight = 2 / (1 + math.exp(-10 * scene.step / self.recipe.steps)) - 1
        cross_entropy = losses.cross_entropy(self.task.last(scene.source), scene.batch["source_label"])
        return {"task": cross_entropy, "confusion": -weight * losses.discriminator_loss(*self._logits(scene)) / 2}

    def _logits(self, scene: Scene) -> tuple[Tensor, Tensor]:
        return self.critic(scene.target), self.critic(scene.source)

"""What all recipes have in common: every number says what it may be and what it means."""

import math
from dataclasses import asdict, fields

import pytest

from i2i_tutor import parameters
from i2i_tutor.measuring.judges import JudgeRecipe
from i2i_tutor.methods import METHODS, aggan, cyclegan, matchgan, opgan, pix2pix, pixelda, tunit
from i2i_tutor.methods.base import profiles

MODULES = (pix2pix, cyclegan, opgan, matchgan, pixelda, aggan, tunit)
SMALL = [*(module.RECIPES["smoke"] for module in MODULES), matchgan.StarGANRecipe(), JudgeRecipe(size=32)]


@pytest.fixture(params=SMALL, ids=lambda recipe: type(recipe).__name__)
def recipe(request):
    return request.param


def test_no_recipe_is_forgotten_here():
    assert {method.recipe_type for method in METHODS.values()} <= {type(recipe) for recipe in SMALL}


def test_every_number_is_declared_with_help_and_a_range_or_choices(recipe):
    declared = parameters.of_class(type(recipe))
    assert list(declared) == [field.name for field in fields(recipe)]
    for parameter in declared.values():
        assert parameter.help
        assert parameter.type is bool or parameter.choices or parameter.low < parameter.high


def test_what_is_outside_is_refused_in_the_words_of_the_declaration(recipe):
    for name, parameter in parameters.of_class(type(recipe)).items():
        number = parameter.type in (int, float)
        outside = [parameter.low - 1, parameter.high * 2 + 1, math.nan, math.inf, True] if number else [1]
        for wrong in ["neither", None, *outside]:
            with pytest.raises(parameters.ParameterError) as caught:
                type(recipe)(**asdict(recipe) | {name: wrong})
            assert str(caught.value) == f"{name} must be {parameter.legal()}, not {wrong!r}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_table_of_profiles_has_every_number_and_its_meaning(module):
    header, rows = profiles(module.RECIPES)
    assert header == ["number", "smoke", "fast", "paper", "meaning"]
    assert [row[0] for row in rows] == [field.name for field in fields(module.RECIPES["paper"])]
    assert all(row[3] == getattr(module.RECIPES["paper"], row[0]) and row[4] for row in rows)

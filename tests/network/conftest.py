import pytest

from tests.support.stacks import STACKS


@pytest.fixture(params=STACKS.values(), ids=STACKS)
def layers(request):
    """Linear and sigmoid layers in every order."""
    return request.param

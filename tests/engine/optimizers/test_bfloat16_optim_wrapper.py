import torch
from torch import nn

from ssd_plugin.engine.optimizers.bfloat16_optim_wrapper import BFloat16OptimWrapper


def test_the_forward_pass_is_in_bfloat16_and_weights_and_gradients_are_in_float32():
    model = nn.Linear(4, 4)
    wrapper = BFloat16OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(torch.ones(2, 4))
    assert output.dtype == torch.bfloat16
    loss = output.float().square().sum() * 1e-30
    loss.backward()
    # Gradients far below the range of float16.
    assert (
        model.weight.grad.dtype == torch.float32 and model.weight.grad.abs().max() < 1e-20 and model.weight.grad.any()
    )
    with wrapper.optim_context(model):
        loss = model(torch.ones(2, 4)).float().square().sum()
    wrapper.update_params(loss)
    assert (model.weight != before).any() and model.weight.dtype == torch.float32

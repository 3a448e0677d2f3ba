import torch

from easyanimate.vae.posterior import Posterior


def test_the_mode_is_the_mean():
    posterior = Posterior(torch.randn(2, 8, 2, 3, 4))
    assert torch.equal(posterior.mode(), posterior.mean)


def test_the_same_generator_state_draws_the_same_latents():
    posterior = Posterior(torch.randn(2, 8, 2, 3, 4))
    first, again = (posterior.sample(torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)


def test_a_list_of_generators_serves_each_batch_item_alone():
    moments = torch.randn(2, 8, 2, 3, 4)
    both = Posterior(moments).sample([torch.Generator().manual_seed(seed) for seed in (7, 8)])
    assert torch.equal(both[1:], Posterior(moments[1:]).sample(torch.Generator().manual_seed(8)))


def test_the_divergence_is_that_of_torch_summed_over_all_but_the_batch():
    posterior = Posterior(torch.randn(2, 8, 2, 3, 4))
    normal = torch.distributions.Normal(posterior.mean, posterior.std)
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).flatten(1).sum(dim=1)
    torch.testing.assert_close(posterior.kl(), expected)

"""What the contrastive pair learns from rewards the truth and nothing else."""

import torch

from generation.packs.training import contrastive_loss as losses
from generation.packs.training.contrastive_loss import SILENT

MUG_RED, MUG_BLUE, BOX_RED = (0, 0), (0, 1), (1, 0)


class TestMatch:
    def test_calls_a_caption_true_where_everything_that_it_says_is(self) -> None:
        images = torch.tensor([MUG_RED, BOX_RED])
        texts = torch.tensor([MUG_RED, (SILENT, 0), (1, SILENT), MUG_BLUE])
        assert losses.match(images, texts).tolist() == [
            [True, True, False, False],
            [False, True, True, False],
        ]


class TestContrast:
    images = torch.tensor([MUG_RED, BOX_RED])
    texts = torch.tensor([MUG_RED, BOX_RED, MUG_BLUE, MUG_RED])

    def test_falls_when_true_captions_score_above_changed_ones(self) -> None:
        right = torch.tensor([[5.0, -5, -5, 5], [-5, 5, -5, -5]])
        assert losses.contrast(right, self.images, self.texts) < 0.1
        assert losses.contrast(-right, self.images, self.texts) > 5

    def test_does_not_punish_another_image_s_caption_that_is_true(self) -> None:
        logits = torch.tensor([[5.0, -5, -5, 5], [-5, 5, -5, -5]])
        low = logits.clone()
        low[0, 3] = -5
        # The last text is true of the first image: scoring it low costs, scoring it high does not.
        assert losses.contrast(low, self.images, self.texts) > losses.contrast(
            logits, self.images, self.texts
        )


class TestRecognize:
    def test_asks_for_nothing_that_a_caption_is_silent_on(self) -> None:
        logits = (torch.tensor([[9.0, -9]]), torch.tensor([[9.0, -9]]))
        silent, wrong = torch.tensor([[0, SILENT]]), torch.tensor([[0, 1]])
        assert losses.recognize(logits, silent, (1, 1)) < 0.01
        assert losses.recognize(logits, wrong, (1, 1)) > 1

    def test_weighs_what_is_hard_to_see_more(self) -> None:
        logits = (torch.tensor([[9.0, -9]]), torch.tensor([[9.0, -9]]))
        wrong = torch.tensor([[0, 1]])
        even, weighed = (losses.recognize(logits, wrong, (1, weight)) for weight in (1, 4))
        assert weighed > 1.5 * even


class TestAverage:
    def test_follows_weights_slowly_and_takes_buffers_as_they_are(self) -> None:
        module = torch.nn.BatchNorm1d(1)
        average = losses.Average(module, 0.9)
        with torch.no_grad():
            module.weight.fill_(11.0)
            module.running_mean.fill_(5.0)
        average.follow(module, step=1000)
        assert average.kept["weight"].item() == 2.0
        assert average.kept["running_mean"].item() == 5.0

"""Captions in many wordings, and the paraphrases that are held out of training."""

import re
from random import Random

import pytest

from easyanimate.tiny.captions import tokenizer_sentences
from easyanimate.training.data.sources import DrawnClips
from easyanimate.training.run.configuration import BatchSettings, WorldSettings
from easyanimate.training.shapes import Scene, World, paraphrase, sample_scene, varied_caption
from easyanimate.training.shapes.paraphrases import motion_phrases
from easyanimate.training.shapes.scene import MOTIONS
from easyanimate.training.shapes.wordings import HELD_OUT_SENTENCES, OTHER_WORDS, SENTENCES

WORLD = World(motions=MOTIONS)


@pytest.mark.parametrize("motion", MOTIONS)
def test_each_motion_has_phrases_for_training_and_held_out_ones(motion):
    trained, held_out = motion_phrases(motion), motion_phrases(motion, held_out=True)
    assert len(trained) > 2 * len(held_out) > 0
    assert not set(trained) & set(held_out)


def test_no_sentence_is_both_trained_and_held_out():
    assert not set(SENTENCES) & set(HELD_OUT_SENTENCES)


def test_a_varied_caption_has_the_words_of_its_scene():
    random = Random(3)
    for _ in range(300):
        scene = sample_scene(WORLD, random, frames=16)
        text = varied_caption(scene, random)
        for name in (scene.colour, scene.shape, scene.size):
            assert any(word in text for word in (name, *OTHER_WORDS.get(name, ())))


def test_training_never_uses_a_paraphrase():
    random = Random(4)
    trained = {varied_caption(scene, random) for scene in _scenes(random) for _ in range(3)}
    assert not trained & {paraphrase(scene, random) for scene in _scenes(random)}


def test_the_tokenizer_has_all_words_of_the_paraphrases():
    words = {word for text in tokenizer_sentences() for word in re.findall("[a-z]{2,}", text)}
    random = Random(5)
    used = {word for scene in _scenes(random) for word in re.findall("[a-z]{2,}", paraphrase(scene, random))}
    assert used <= words


def test_an_article_suits_the_word_after_it():
    random, scene = Random(6), Scene("circle", "orange", "black", "left")
    texts = [varied_caption(scene, random) for _ in range(100)]
    assert not any(re.search(r"\ba [aeiou]", text) for text in texts)


def test_a_source_uses_the_captions_of_its_settings():
    kind = BatchSettings(frames=8, batch_size=20)
    plain, varied = (
        [clips.caption_of(i, Random(i)) for i in range(20)]
        for clips in (DrawnClips(WorldSettings(captions=name)).clips(kind, Random(7)) for name in ("plain", "varied"))
    )
    assert not set(plain) & set(varied)


def test_mixed_captions_are_half_plain_and_half_varied():
    clips = DrawnClips(WorldSettings(captions="mixed")).clips(BatchSettings(frames=8, batch_size=1), Random(7))
    plain = DrawnClips(WorldSettings(captions="plain")).clips(BatchSettings(frames=8, batch_size=1), Random(7))
    plain_sentences = {plain.caption_of(0, Random(i)) for i in range(400)}
    share = sum(clips.caption_of(0, Random(i)) in plain_sentences for i in range(400)) / 400
    assert 0.4 < share < 0.6


def _scenes(random):
    return [sample_scene(WORLD, random, frames=16) for _ in range(300)]

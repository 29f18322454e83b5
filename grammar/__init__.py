"""Which tokens keep the text a viable prefix of a valid program. Knows nothing of engines or HTTP."""

from grammar.artifact import Prepared, prepare_engine
from grammar.languages import LANGUAGES, Language, LanguageSpec, language_of, load_language, load_spec
from grammar.logits import can_mask, mask_logits
from grammar.matcher import SyntaxMatcher
from grammar.recognize import can_end, is_viable_prefix, viable_length
from grammar.vocabulary import TokenVocabulary

__all__ = [
    "LANGUAGES",
    "Language",
    "LanguageSpec",
    "Prepared",
    "SyntaxMatcher",
    "TokenVocabulary",
    "can_end",
    "can_mask",
    "is_viable_prefix",
    "language_of",
    "load_language",
    "load_spec",
    "mask_logits",
    "prepare_engine",
    "viable_length",
]

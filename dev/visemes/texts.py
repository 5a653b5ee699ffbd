"""Texts for synthetic voices to read, made up on the spot so that no text of anybody's is learned.

English is a stream of function words and random dictionary words; other languages read syllables of their own letters.
"""

from __future__ import annotations

import random

FUNCTION = """the of and a to in is you that it he was for on are as with his they I at be this have from or one had by
word but not what all were we when your can said there use an each which she do how their if will up other about out
many then them these so some her would make like him into time has look two more write go see number no way could
people my than first been call who its now find long down day did get come made may part over new sound take only
little work know place year live me back give most very after thing our just name good man think say great where help
through much before line right too mean old any same tell boy follow came want show also around form three small set
put end does another well large must big even such because turn here why ask went men read need land home us move try
kind hand picture again change off play spell air away animal house point page letter mother answer found study still
learn should baby puppy maybe happy both problem people improve remember summer number simple"""

LATIN_CONSONANTS = "b d f g h j k l m n p r s t v w z p b m p b m f v bl br pl pr tr st sp kl gr fr".split()
LATIN_VOWELS = "a e i o u a e i o u ai ei au ou ie".split()
LETTERS = {
    "de": ("sch ch z pf w", "ä ö ü eu ei äu"),
    "fr": ("ch gn j qu", "ou eu é è an on in oi eau u"),
    "es": ("ñ ll ch rr j", "á é ue ie"),
    "it": ("gn gli ch zz cc", "à è ò uo ie"),
    "pt-br": ("nh lh ch rr", "ão õe é á ou"),
    "nl": ("sch ch g w", "ij ui oe eu aa oo uu"),
    "pl": ("sz cz ś ć ż rz ł", "ą ę ó y"),
    "sv": ("sj tj hj", "å ä ö y"),
    "da": ("hv gj", "æ ø å y"),
    "nb": ("kj skj", "æ ø å y"),
    "fi": ("kk tt pp", "ä ö y aa ää uo yö ii"),
    "hu": ("sz zs cs gy ny", "á é í ó ö ő ú ü ű"),
    "cs": ("č š ž ř ň ch", "á é í ů ou ý"),
    "ro": ("ș ț ch", "ă â î ea oa"),
    "tr": ("ç ş ğ c", "ı ö ü"),
    "ca": ("ny ll tx ix", "à è ò ó"),
    "hr": ("č š ž lj nj", "ije"),
    "et": ("kk tt", "õ ä ö ü ää"),
    "lv": ("č š ž ļ ņ", "ā ē ī ū ie"),
    "id": ("ng ny c", "ai au"),
    "sw": ("ng ny sh mb nd", "aa"),
    "eu": ("tx tz ts x", "ai"),
    "cy": ("ll dd ch ff", "w y wy"),
    "sq": ("xh sh th q", "ë y"),
}
SCRIPTS = {
    "ru": ("б в г д ж з к л м н п р с т ф х ц ч ш щ п б м", "а е и о у ы э ю я ё ий"),
    "uk": ("б в г д ж з к л м н п р с т ф х ч ш п б м", "а е и о у ю я є ї"),
    "bg": ("б в г д ж з к л м н п р с т ф х ч ш п б м", "а е и о у ъ ю я"),
    "el": ("β γ δ ζ θ κ λ μ ν π ρ σ τ φ χ ξ μπ ντ π μ", "α ε η ι ο υ ω ου αι"),
    "hi": ("ब भ च छ द ध ग घ ह ज क ख ल म न प फ र स श ट त व य", "ा ि ी ु ू े ै ो ौ"),
    "ja": (
        "",
        "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む め も "
        "ば び ぶ べ ぼ ぱ ぴ ぷ ぺ ぽ ら り る れ ろ わ や ゆ よ ん",
    ),
    "cmn-latn-pinyin": (
        "b p m f d t n l g k h j q x zh ch sh r z c s w y b p m",
        "a3 o1 e4 i2 u3 ai4 ei2 ao3 ou1 an4 en2 ang1 eng4 ong2 ian3 uan1 iao4 uo2",
    ),
}
LANGUAGES = (*LETTERS, *SCRIPTS)


def english(chance: random.Random, words: list[str]) -> str:
    function = FUNCTION.split()
    count = chance.randint(3, 12)
    return " ".join(chance.choice(function) if chance.random() < 0.6 else chance.choice(words) for _ in range(count))


def foreign(chance: random.Random, language: str) -> str:
    if language in SCRIPTS:
        consonants, vowels = (letters.split() or [""] for letters in SCRIPTS[language])
        finals = [""]
    else:
        own_consonants, own_vowels = (letters.split() for letters in LETTERS[language])
        consonants, vowels = LATIN_CONSONANTS + 2 * own_consonants, LATIN_VOWELS + 2 * own_vowels
        finals = ["", "", "n", "m", "s", "t", "r", "l", "p", "k"]

    def word() -> str:
        parts = (chance.choice(consonants) + chance.choice(vowels) for _ in range(chance.choice([1, 2, 2, 3])))
        return "".join(parts) + chance.choice(finals)

    return " ".join(word() for _ in range(chance.randint(3, 9)))

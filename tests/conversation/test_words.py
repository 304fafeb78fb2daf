import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.words import (
    Dictation,
    asks_for_dictation,
    conjunctions,
    dictation_complete,
    group_digits,
    is_backchannel,
    is_goodbye,
    is_hallucination,
    sounds_unfinished,
)

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")

NODS = [
    ("en", "Mm-hmm."),
    ("en", "Mm-hm"),
    ("en", "Mhm."),
    ("en", "Mmm."),
    ("en", "Hmm."),
    ("en", "Uh-huh."),
    ("en", "Uh huh"),
    ("en", "Yeah."),
    ("en", "Yeah, yeah, yeah."),
    ("en", "Okay."),
    ("en", "OK"),
    ("en", "Right."),
    ("en", "I see."),
    ("en", "Oh, I see."),
    ("en", "Yeah, got it."),
    ("en-GB", "All right."),
    ("sw", "Okay."),
    ("de", "Genau."),
    ("de", "Ja."),
    ("de", "Ja, genau."),
    ("de", "Aha."),
    ("de", "Alles klar!"),
    ("de", "Mhm, okay."),
    ("de-AT", "Ach so."),
    ("fr", "D'accord."),
    ("fr", "D’accord"),
    ("fr", "Oui, oui."),
    ("fr", "Ah bon."),
    ("es", "Sí, claro."),
    ("es", "Vale, vale."),
    ("es", "Ajá."),
    ("it", "Va bene."),
    ("it", "Sì, certo."),
    ("pt", "Pois é."),
    ("pt-BR", "Tá bom."),
    ("nl", "Ja, precies."),
    ("nl", "Oké."),
]
WORDS_OF_WEIGHT = [
    ("en", "No."),
    ("en", "Stop."),
    ("en", "Wait."),
    ("en", "What?"),
    ("en", "Yeah?"),
    ("en", "Yeah, but wait"),
    ("en", "Okay, cancel it."),
    ("en", "Right now."),
    ("en", "Yes, on Monday."),
    ("en", "Yeah yeah yeah yeah yeah"),
    ("en", ""),
    ("en", "..."),
    ("de", "Nein."),
    ("de", "Moment."),
    ("de", "Ja, aber"),
    ("de", "Halt."),
    ("fr", "Non."),
    ("fr", "Attendez."),
    ("es", "No."),
    ("es", "Espere."),
    ("it", "No."),
    ("it", "Aspetti."),
    ("pt", "Não."),
    ("nl", "Nee."),
    ("nl", "Wacht."),
]


@pytest.mark.parametrize(("language", "text"), NODS)
def test_a_nod_does_not_stop_us(language: str, text: str):
    assert is_backchannel(text, language)


@pytest.mark.parametrize(("language", "text"), WORDS_OF_WEIGHT)
def test_all_else_does(language: str, text: str):
    assert not is_backchannel(text, language)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Bye.", True),
        ("en", "Goodbye!", True),
        ("en", "Okay, thank you, bye-bye.", True),
        ("en", "Bye now, thanks.", True),
        ("en", "Have a nice day.", True),
        ("en", "See you later.", True),
        ("en", "By the way, who are you?", False),
        ("en", "Goodbye?", False),
        ("en", "How do I say goodbye", False),
        ("en", "Have a nice day is what he wrote to me.", False),
        ("en", "Thank you.", False),
        ("en", "", False),
        ("de", "Auf Wiederhören.", True),
        ("de", "Danke, tschüss!", True),
        ("de", "Schönen Tag noch.", True),
        ("de", "Wann geht es los?", False),
        ("fr", "Merci, au revoir.", True),
        ("fr", "Bonne journée à vous.", True),
        ("es", "Adiós, gracias.", True),
        ("es", "Hasta luego.", True),
        ("it", "Arrivederci.", True),
        ("it", "Grazie mille, buona giornata.", True),
        ("pt", "Tchau, obrigado.", True),
        ("nl", "Tot ziens.", True),
        ("nl", "Doei!", True),
        ("nl", "Welke dag is het?", False),
    ],
)
def test_goodbyes(language: str, text: str, expected: bool):
    assert is_goodbye(text, language) is expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "I would like to", True),
        ("en", "My number is", True),
        ("en", "My phone number is.", True),
        ("en", "My order number is,", True),
        ("en", "I want a table and", True),
        ("en", "I want a table and.", True),
        ("en", "It is on the", True),
        ("en", "So I was thinking...", True),
        ("en", "I was thinking um", True),
        ("en", "Um.", True),
        ("en", "Uh", True),
        ("en", "Hmm...", True),
        ("en", "Because", True),
        ("en", "I live in", True),
        ("en", "My number is 555", True),
        ("en", "My number is five five five.", True),
        ("en", "First I would like to know", True),
        ("en", "My phone number is 555, 0199.", False),
        ("en", "My room number is 12.", False),
        ("de", "Meine Nummer ist 040.", True),
        ("en", "If it is not too late.", True),
        ("en", "If it is not too late, I would like to cancel.", False),
        ("de", "Wenn es noch geht.", True),
        ("en", "Where are you from?", False),
        ("en", "That is where I come from.", False),
        ("en", "Yes.", False),
        ("en", "Yes, please", False),
        ("en", "I want a table for two.", False),
        ("en", "Four", False),
        ("en", "", False),
        ("de", "Ich möchte", True),
        ("de", "Meine Nummer ist", True),
        ("de", "Meine Kundennummer lautet.", True),
        ("de", "Ähm", True),
        ("de", "Ich brauche einen Termin und", True),
        ("de", "Ich weiß das.", False),
        ("de", "Ich brauche einen Termin.", False),
        ("fr", "Je voudrais", True),
        ("fr", "Mon numéro est le", True),
        ("fr", "Euh...", True),
        ("fr", "Je voudrais un rendez-vous.", False),
        ("es", "Mi número es", True),
        ("es", "Quisiera una mesa para", True),
        ("es", "Quisiera una mesa.", False),
        ("it", "Il mio numero è", True),
        ("it", "Vorrei un tavolo.", False),
        ("pt", "O meu número é", True),
        ("pt", "Quero uma mesa.", False),
        ("nl", "Mijn nummer is", True),
        ("nl", "Ik wil een tafel.", False),
    ],
)
def test_more_is_to_come(language: str, text: str, expected: bool):
    assert sounds_unfinished(text, language) is expected


@pytest.mark.parametrize(
    ("language", "text", "kind"),
    [
        ("en", "What's your phone number?", Dictation.PHONE),
        ("en", "May I have a number to call you back on?", Dictation.PHONE),
        ("en", "Could you spell that for me?", Dictation.SPELLING),
        ("en", "Please spell your last name.", Dictation.SPELLING),
        ("en", "What is your order number?", Dictation.NUMBER),
        ("en", "Sure. Please tell me the confirmation code.", Dictation.NUMBER),
        ("en", "What is your e-mail address?", Dictation.EMAIL),
        ("en", "Can I have your email?", Dictation.EMAIL),
        ("en", "What's your postcode?", Dictation.POSTCODE),
        ("en", "And your ZIP code, what is it?", Dictation.POSTCODE),
        ("en", "What is your date of birth?", Dictation.DATE),
        ("en", "What is the delivery address?", Dictation.ADDRESS),
        ("en", "Can I have your full name, please?", Dictation.NAME),
        ("en", "I have your phone number. Anything else?", None),
        ("en", "Your order number is 1234.", None),
        ("en", "How can I help you?", None),
        ("en", "What is your name? I am Ann.", Dictation.NAME),
        ("en", "", None),
        ("de", "Wie ist Ihre Telefonnummer?", Dictation.PHONE),
        ("de", "Können Sie das bitte buchstabieren?", Dictation.SPELLING),
        ("de", "Nennen Sie mir bitte Ihre Kundennummer.", Dictation.NUMBER),
        ("de", "Wie lautet Ihre E-Mail-Adresse?", Dictation.EMAIL),
        ("de", "Wie ist Ihre Postleitzahl?", Dictation.POSTCODE),
        ("de", "Wann sind Sie geboren?", Dictation.DATE),
        ("de", "Wie ist Ihr Name?", Dictation.NAME),
        ("de", "Was kann ich für Sie tun?", None),
        ("fr", "Quel est votre numéro de téléphone ?", Dictation.PHONE),
        ("fr", "Pouvez-vous épeler votre nom ?", Dictation.SPELLING),
        ("fr", "Quel est votre numéro de commande ?", Dictation.NUMBER),
        ("es", "¿Cuál es su número de teléfono?", Dictation.PHONE),
        ("es", "¿Me puede dar su correo electrónico?", Dictation.EMAIL),
        ("it", "Qual è il suo numero di telefono?", Dictation.PHONE),
        ("it", "Può dirmi il codice postale?", Dictation.POSTCODE),
        ("pt", "Qual é o seu número de telefone?", Dictation.PHONE),
        ("pt", "Pode soletrar o seu nome?", Dictation.SPELLING),
        ("nl", "Wat is uw telefoonnummer?", Dictation.PHONE),
        ("nl", "Kunt u dat spellen?", Dictation.SPELLING),
        ("nl", "Wat is uw postcode?", Dictation.POSTCODE),
    ],
)
def test_what_is_asked_for(language: str, text: str, kind: Dictation | None):
    assert asks_for_dictation(text, language) is kind


@pytest.mark.parametrize(
    ("kind", "text", "complete"),
    [
        (Dictation.PHONE, "", False),
        (Dictation.PHONE, "It is 040", False),
        (Dictation.PHONE, "040 12345", None),
        (Dictation.PHONE, "040 123 4567", True),
        (Dictation.PHONE, "oh four oh, one two three, four five six seven", True),
        (Dictation.PHONE, "five five five, double one, two three", None),
        (Dictation.EMAIL, "john at", False),
        (Dictation.EMAIL, "john dot doe", False),
        (Dictation.EMAIL, "john@example.com", True),
        (Dictation.EMAIL, "john dot doe at example dot com.", True),
        (Dictation.EMAIL, "john at example.com", True),
        (Dictation.EMAIL, "max ät beispiel Punkt de", True),
        (Dictation.POSTCODE, "1 0", False),
        (Dictation.POSTCODE, "10115", True),
        (Dictation.POSTCODE, "SW1A 1AA", True),
        (Dictation.POSTCODE, "1012", None),
        (Dictation.DATE, "the third of", None),
        (Dictation.DATE, "3.4.1980", True),
        (Dictation.DATE, "May 3rd, 1980", True),
        (Dictation.NUMBER, "it is", False),
        (Dictation.NUMBER, "A B 1234", None),
        (Dictation.NAME, "Smith", None),
        (Dictation.SPELLING, "S M I", None),
        (Dictation.ADDRESS, "12 Main Street", None),
    ],
)
def test_whether_it_is_all(kind: Dictation, text: str, complete: bool | None):
    assert dictation_complete(text, kind) is complete


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("0 4 0 1 2 3 4", "040 1234"),
        ("oh four oh, one two three four", "040 1234"),
        ("My number is oh four oh, one two three four, thanks.",
         "My number is 040 1234, thanks."),
        ("double five one two", "5512"),
        ("triple seven, one two", "777 12"),
        ("04-0, 1-2-3-4.", "04 0 1234."),
        ("555 1234", "555 1234"),
        ("one two three four five six", "123 456"),
        ("null vier null, eins zwo drei", "040 123"),
        ("zéro un, deux trois", "01 23"),
        ("uno dos tres", "123"),
        ("meia cinco quatro", "654"),
        ("I have one order", "I have one order"),
        ("one or two", "one or two"),
        ("It costs 250", "It costs 250"),
        ("", ""),
    ],
)  # fmt: skip
def test_digits_in_groups(text: str, grouped: str):
    assert group_digits(text) == grouped


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("Thank you for watching!", True),
        ("Thanks for watching.", True),
        ("Thank you so much for watching.", True),
        ("Please subscribe to my channel.", True),
        ("Subtitles by the Amara.org community", True),
        ("Untertitel im Auftrag des ZDF für funk, 2017", True),
        ("Vielen Dank fürs Zuschauen!", True),
        ("Sous-titrage Société Radio-Canada", True),
        ("Sottotitoli creati dalla comunità Amara.org", True),
        ("Subtítulos realizados por la comunidad", True),
        ("ご視聴ありがとうございました", True),
        ("you", True),
        ("You.", True),
        (".", True),
        ("...", True),
        ("[Music]", True),
        ("♪", True),
        ("", True),
        ("Bye.", False),
        ("Thank you.", False),
        ("Yes.", False),
        ("I need you to watch it.", False),
        ("Can you see the subtitles?", False),
        ("Thank you for calling me back.", False),
    ],
)
def test_what_whisper_invents(text: str, invented: bool):
    assert is_hallucination(text) is invented


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_nods_has_finished_and_stays(language: str):
    for known, text in NODS:
        if known == language and not text.lower().startswith(("hm", "mm", "uh")):
            assert not is_goodbye(text, language)
            assert not sounds_unfinished(text, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_joins_its_sentences(language: str):
    assert len(conjunctions(language)) >= 4
    for word in ("and", "und", "et", "y", "e", "en"):
        if word in conjunctions(language):
            assert sounds_unfinished(f"la la {word}.", language)


@given(st.text(max_size=60), st.sampled_from(LANGUAGES))
def test_any_text_has_an_answer(text: str, language: str):
    nods = is_backchannel(text, language)
    assert not (nods and "?" in text)
    if sounds_unfinished(text, language):
        assert any(map(str.isalnum, text))
    assert group_digits(group_digits(text)) == group_digits(text)
    for kind in Dictation:
        dictation_complete(text, kind)
    assert asks_for_dictation(text, language) is None or text.strip()

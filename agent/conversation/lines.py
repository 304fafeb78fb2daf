"""What an AI says without asking its model, in its language: `line(name, language)`.

Short, polite, and the same words each time, so that the voice has them ready.
"""

from collections.abc import Mapping

from agent.calls.ai import AI, LINES

_ENGLISH = {
    "filler": "One moment, please.",
    "failed": "I am sorry, something went wrong on my side. Could you say that again?",
    "repeat": "Sorry, I did not understand that.",
    "reprompt": "Are you still there?",
    "goodbye": "I will hang up now. Goodbye.",
    "ending_soon": "We have one minute left.",
    "human": "I will connect you with a colleague.",
    "private": "Please type the number on your keypad now, and press hash."
    " It is not recorded.",
}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": _ENGLISH,
    "de": {
        "filler": "Einen Moment, bitte.",
        "failed": "Entschuldigung, bei mir ist etwas schiefgegangen."
        " Könnten Sie das bitte wiederholen?",
        "repeat": "Entschuldigung, das habe ich nicht verstanden.",
        "reprompt": "Sind Sie noch da?",
        "goodbye": "Ich lege jetzt auf. Auf Wiederhören.",
        "ending_soon": "Wir haben noch eine Minute.",
        "human": "Ich verbinde Sie mit einem Mitarbeiter.",
        "private": "Bitte tippen Sie die Nummer jetzt ein, mit der Rautetaste am Ende."
        " Sie wird nicht aufgezeichnet.",
    },
    "fr": {
        "filler": "Un instant, s'il vous plaît.",
        "failed": "Je suis désolé, il y a eu un problème de mon côté."
        " Pourriez-vous répéter ?",
        "repeat": "Pardon, je n'ai pas compris.",
        "reprompt": "Êtes-vous toujours là ?",
        "goodbye": "Je vais raccrocher. Au revoir.",
        "ending_soon": "Il nous reste une minute.",
        "human": "Je vous mets en relation avec un collègue.",
        "private": "Tapez maintenant le numéro, puis la touche dièse."
        " Il n'est pas enregistré.",
    },
    "es": {
        "filler": "Un momento, por favor.",
        "failed": "Lo siento, ha habido un problema por mi parte. ¿Podría repetirlo?",
        "repeat": "Perdone, no le he entendido.",
        "reprompt": "¿Sigue usted ahí?",
        "goodbye": "Voy a colgar. Adiós.",
        "ending_soon": "Nos queda un minuto.",
        "human": "Le paso con un compañero.",
        "private": "Marque ahora el número y pulse almohadilla. No se graba.",
    },
    "it": {
        "filler": "Un momento, per favore.",
        "failed": "Mi scusi, c'è stato un problema da parte mia. Può ripetere?",
        "repeat": "Mi scusi, non ho capito.",
        "reprompt": "È ancora in linea?",
        "goodbye": "Ora chiudo la chiamata. Arrivederci.",
        "ending_soon": "Ci resta un minuto.",
        "human": "La metto in contatto con un collega.",
        "private": "Digiti ora il numero e prema cancelletto. Non viene registrato.",
    },
    "pt": {
        "filler": "Um momento, por favor.",
        "failed": "Peço desculpa, houve um problema do meu lado. Pode repetir?",
        "repeat": "Desculpe, não percebi.",
        "reprompt": "Ainda está aí?",
        "goodbye": "Vou desligar agora. Adeus.",
        "ending_soon": "Temos mais um minuto.",
        "human": "Vou passar a chamada a um colega.",
        "private": "Marque agora o número e prima cardinal. Não fica gravado.",
    },
    "pt-br": {
        "failed": "Desculpe, houve um problema do meu lado. Pode repetir?",
        "repeat": "Desculpe, não entendi.",
        "reprompt": "Ainda está na linha?",
        "goodbye": "Vou desligar agora. Até logo.",
        "human": "Vou transferir a ligação para um colega.",
        "private": "Digite agora o número e tecle jogo da velha. Não fica gravado.",
    },
    "nl": {
        "filler": "Een ogenblik, alstublieft.",
        "failed": "Het spijt me, er ging bij mij iets mis. Kunt u dat herhalen?",
        "repeat": "Sorry, dat heb ik niet verstaan.",
        "reprompt": "Bent u er nog?",
        "goodbye": "Ik hang nu op. Tot ziens.",
        "ending_soon": "We hebben nog één minuut.",
        "human": "Ik verbind u door met een collega.",
        "private": "Toets nu het nummer in en sluit af met een hekje."
        " Het wordt niet opgenomen.",
    },
}


def line(name: str, language: str, overrides: Mapping[str, str]) -> str:
    """`name` is one of LINES. Of a language that we do not know: English."""
    if own := overrides.get(name, "").strip():
        return own
    tag = language.replace("_", "-").lower()
    for known in (tag, tag.partition("-")[0]):
        if words := _WORDS.get(known, {}).get(name):
            return words
    return _ENGLISH[name]


def lines(ai: AI) -> dict[str, str]:
    """All that this AI may have to say by itself, by name."""
    return {name: line(name, ai.language, ai.lines) for name in LINES}

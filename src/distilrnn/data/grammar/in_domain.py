"""The phenomena of the labelled in-domain sentences: each function draws one minimal pair.

The contrasts are crossed (what is wrong in one pair is right in another), so that no word by itself tells the label:
structure does. The phenomena are those of the acceptability literature, e.g. BLiMP (Warstadt et al. 2020, table 1);
the sentences are our own.
"""

from distilrnn.data.grammar.pairs import Pair, Phenomenon, sentence_slot, slot, statement
from distilrnn.data.grammar.phrases import ACCUSATIVE, AUXILIARIES, NOMINATIVE, Speaker


def agreeing(s: Speaker, plural: bool, kind: str = "person") -> tuple[str, str, str, bool]:
    """A predicate: the agreeing verb, the disagreeing one, what follows them, and whether it is past."""
    roll = s.rng.random() if kind == "person" else 0.0
    past = False
    if roll < 0.3:
        past = s.chance(0.4)
        forms = ("was", "were") if past else ("is", "are")
        rest = f" {s.adjective(kind, 1).strip()}"
    elif roll < 0.5:
        verb, forms = s.verb(), AUXILIARIES["gerund"][0]
        rest = f" {verb.gerund}{s.complement(verb)}{s.adjunct(0.3)}"
    elif roll < 0.65:
        verb, forms = s.verb(), AUXILIARIES["participle"][0]
        rest = f" {verb.participle}{s.complement(verb)}{s.adjunct(0.3)}"
    else:
        verb = s.verb()
        forms = (verb.third, verb.base)
        rest = f"{s.complement(verb)}{s.adjunct(0.4)}"
    return forms[plural], forms[not plural], rest, past


def subject_verb(s: Speaker) -> Pair:
    """'The old books are/*is cheap.'"""
    kind = s.pick(("person", "person", "person", "machine", "text", "food"))
    subject = s.person() if kind == "person" else s.noun_phrase(kind)
    text = subject.text
    if text.startswith("the ") and s.chance(0.15):
        text = "no" + text[3:]
    right, wrong, rest, past = agreeing(s, subject.plural, kind)
    return slot(s, f"{text} {{}}{rest}", right, wrong, past)


SINGULAR_DETERMINERS = ("this", "that", "every", "each", "another", "a")
PLURAL_DETERMINERS = ("these", "those", "many", "several", "all", "both")


def determiner_noun(s: Speaker) -> Pair:
    """'She bought these/*this old books.', 'She bought this book/*books.'"""
    verb = s.pick(s.lexicon.transitive)
    plural = s.chance(0.5)
    right = s.pick(PLURAL_DETERMINERS if plural else SINGULAR_DETERMINERS)
    wrong = s.pick(SINGULAR_DETERMINERS if plural else PLURAL_DETERMINERS)
    if verb.takes == "person" and s.chance(0.4):
        kind, before, after = "person", "", f" {verb.past} {s.person().text}{s.adjunct(0.3, True)}"
    else:
        kind, before, after = verb.takes, f"{s.person().text} {verb.past} ", s.adjunct(0.4, True)
    noun, adjective = s.noun(kind), s.adjective(kind, 0.4)
    if s.chance(0.5):
        return slot(s, f"{before}{{}} {adjective}{noun.form(plural)}{after}", right, wrong, True)
    return slot(s, f"{before}{right} {adjective}{{}}{after}", noun.form(plural), noun.form(not plural), True)


def argument_structure(s: Speaker) -> Pair:
    """'The boy devoured/*slept the cake.', 'The boy slept/*devoured near the river.'"""
    transitive, intransitive = s.pick(s.lexicon.transitive), s.pick(s.lexicon.intransitive)
    with_object = s.chance(0.5)
    right, wrong = (transitive, intransitive) if with_object else (intransitive, transitive)
    subject, past = s.person(), True
    roll = s.rng.random()
    if roll < 0.6:
        forms, auxiliary = (right.past, wrong.past), ""
    elif roll < 0.8:
        forms, auxiliary, past = (right.participle, wrong.participle), ("have " if subject.plural else "has "), False
    else:
        forms, auxiliary, past = (right.base, wrong.base), s.pick(("will ", "must ", "can ", "might ")), False
    rest = (f" {s.object_of(transitive).text}" if with_object else "") + s.adjunct(0.4 if with_object else 0.7, past)
    return slot(s, f"{subject.text} {auxiliary}{{}}{rest}", *forms, past)


def verb_form(s: Speaker) -> Pair:
    """'The boy has repaired/*repairing the car.', 'The boy is/*has repairing the car.'"""
    verb = s.pick(s.lexicon.transitive)
    subject = s.person()
    right, wrong = s.rng.sample(tuple(AUXILIARIES), 2)
    auxiliary, mistaken = (s.pick(AUXILIARIES[form])[subject.plural] for form in (right, wrong))
    negation = "not " if s.chance(0.2) else ""
    rest = f"{s.complement(verb)}{s.adjunct(0.3)}"
    form, misformed = getattr(verb, right), getattr(verb, wrong)
    if s.chance(0.5):
        return slot(s, f"{subject.text} {{}} {negation}{form}{rest}", auxiliary, mistaken, False)
    return slot(s, f"{subject.text} {auxiliary} {negation}{{}}{rest}", form, misformed, False)


def pronoun_case(s: Speaker) -> Pair:
    """'Mary said that he/*him smiled.', 'Mary greeted him/*he.'"""
    nominative = s.pick(NOMINATIVE)
    accusative = ACCUSATIVE[nominative]
    if s.chance(0.5):
        verb = s.verb()
        event = f"{{}} {verb.past}{s.complement(verb)}{s.adjunct(0.4, True)}"
        roll = s.rng.random()
        if roll < 0.5:
            template = f"{s.person().text} {s.pick(s.lexicon.saying + s.lexicon.knowing).past} that {event}"
        elif roll < 0.75:
            template = f"{s.clause(True, transitive=False)} {s.pick(('because', 'when', 'while', 'although'))} {event}"
        else:
            template = f"{s.time() if s.chance(0.7) else s.pick(s.lexicon.comments)}, {event}"
        return sentence_slot(f"{template}.", nominative, accusative)
    if s.chance(0.6):
        action = s.pick(s.lexicon.personal + s.lexicon.reflexive).past
    else:
        action = f"{s.pick(s.lexicon.intransitive).past} {s.pick(('near', 'behind', 'beside', 'with'))}"
    return slot(s, f"{s.person().text} {action} {{}}{s.adjunct(0.4, True)}", accusative, nominative, True)


def inversion(s: Speaker) -> Pair:
    """'Where has the boy slept? / *Where the boy has slept?', 'Mary asked where the boy has / *has the boy slept.'"""
    verb, subject = s.verb(), s.person()
    form = s.pick(tuple(AUXILIARIES))
    auxiliary = s.pick(AUXILIARIES[form])[subject.plural]
    event = f"{getattr(verb, form)}{s.complement(verb)}"
    adverb = s.pick(("where", "when", "why", "how"))
    question = f"{adverb} {auxiliary} {subject.text} {event}"
    embedded = f"{adverb} {subject.text} {auxiliary} {event}"
    if s.chance(0.5):
        return Pair(f"{question}?", f"{embedded}?")
    past = s.chance(0.5)
    asker = s.person()
    asks = s.finite(s.pick(s.lexicon.asking + s.lexicon.knowing), asker.plural, past)
    return statement(s, f"{asker.text} {asks} {embedded}", f"{asker.text} {asks} {question}", past)


def word_order(s: Speaker) -> Pair:
    """Adverbs before an object, adjectives behind a noun, pronouns behind a particle, 'enough' before an adjective."""
    roll = s.rng.random()
    subject = s.person()
    if roll < 0.3:
        verb, adverb = s.pick(s.lexicon.transitive), s.pick(s.lexicon.manners)
        thing = s.noun_phrase(verb.takes, adjective=0.15).text
        rest = f" {s.time()}" if s.chance(0.3) else ""
        right = f"{adverb} {verb.past} {thing}" if s.chance(0.5) else f"{verb.past} {thing} {adverb}"
        return statement(s, f"{subject.text} {right}{rest}", f"{subject.text} {verb.past} {adverb} {thing}{rest}", True)
    if roll < 0.55:
        noun, plural, adjective = s.noun("person"), s.chance(0.5), s.adjective("person", 1).strip()
        verb, determiner = s.verb(), s.pick(("the", "the", "my", "our"))
        event = f"{verb.past}{s.complement(verb)}{s.adjunct(0.3, True)}"
        head = noun.form(plural)
        return statement(
            s, f"{determiner} {adjective} {head} {event}", f"{determiner} {head} {adjective} {event}", True
        )
    if roll < 0.8:
        verb, particle = s.pick(s.lexicon.particles)
        pronoun, rest = s.pick(("it", "them")), s.adjunct(0.5, True)
        start = f"{subject.text} {verb.past}"
        return statement(s, f"{start} {pronoun} {particle}{rest}", f"{start} {particle} {pronoun}{rest}", True)
    past = s.chance(0.5)
    be = (("was", "were") if past else ("is", "are"))[subject.plural]
    adjective = s.adjective("person", 1).strip()
    verb = s.verb()
    rest = f"to {verb.base}{s.complement(verb)}"
    start = f"{subject.text} {be}"
    return statement(s, f"{start} {adjective} enough {rest}", f"{start} enough {adjective} {rest}", past)


def passive(s: Speaker) -> Pair:
    """'The car was/*had repaired by the boy.', 'The boy had/*was slept near the river.'"""
    transitive = s.chance(0.5)
    verb = s.pick(s.lexicon.transitive if transitive else s.lexicon.intransitive)
    kind = verb.takes if transitive else "person"
    subject = s.person() if kind == "person" else s.noun_phrase(kind)
    past = s.chance(0.6)
    if past:
        auxiliary, be, have = "", ("were" if subject.plural else "was"), "had"
    else:
        auxiliary, be, have = s.pick(("will ", "might ", "must ")), "be", "have"
    roll = s.rng.random()
    rest = f" by {s.person().text}" if transitive and roll < 0.7 else s.adjunct(0.9 if transitive else 0.8)
    if not transitive and roll < 0.3:
        rest = f" by the {s.adjective('place', 0.3)}{s.pick(s.lexicon.places).singular}"
    right, wrong = (be, have) if transitive else (have, be)
    return slot(s, f"{subject.text} {auxiliary}{{}} {verb.participle}{rest}", right, wrong, past)


def polarity(s: Speaker) -> Pair:
    """'No boy who saw the king has ever smiled. / *The boy who saw no king has ever smiled.', and the like."""
    roll = s.rng.random()
    plural = s.chance(0.5)
    head = f"{s.adjective('person', 0.3)}{s.noun('person').form(plural)}"
    have = s.pick(AUXILIARIES["participle"])[plural]
    if roll < 0.35:
        verb = s.verb()
        if roll < 0.2:
            event = f"{have} ever {verb.participle}{s.complement(verb)}"
        else:
            verb = s.pick(s.lexicon.transitive)
            event = f"{have} {verb.participle} any {s.noun(verb.takes).plural}"
        seen_by = s.pick(s.lexicon.personal + s.lexicon.reflexive).past
        other = f"{s.adjective('person', 0.2)}{s.noun('person').form(s.chance(0.5))}"
        start = s.pick(("who", "that"))
        return statement(
            s,
            f"no {head} {start} {seen_by} the {other} {event}",
            f"the {head} {start} {seen_by} no {other} {event}",
            False,
        )
    if roll < 0.7:
        condition, outcome, first, second = s.verb(), s.verb(), s.person(), s.person()
        will = s.pick(("will", "might", "can"))
        start, end = (
            s.finite(condition, first.plural, False) + s.complement(condition),
            outcome.base + s.complement(outcome),
        )
        return Pair(
            f"if {first.text} ever {start}, {second.text} {will} {end}.",
            f"if {first.text} {start}, {second.text} {will} ever {end}.",
        )
    verb = s.verb()
    seen = s.verb()
    seen_text, determiner = f"{seen.participle}{s.complement(seen)}", "the" if plural or s.chance(0.6) else "a"
    event = f"ever {verb.participle}{s.complement(verb)}"
    if s.chance(0.4):
        verb = s.pick(s.lexicon.transitive)
        event = f"{verb.participle} any {s.adjective(verb.takes, 0.3)}{s.noun(verb.takes).plural}"
    start = f"{determiner} {head} who {have}"
    return statement(s, f"{start} {seen_text} {have} not {event}", f"{start} not {seen_text} {have} {event}", False)


IN_DOMAIN: dict[str, Phenomenon] = {
    "agree": subject_verb,
    "argument": argument_structure,
    "case": pronoun_case,
    "det-noun": determiner_noun,
    "inversion": inversion,
    "npi": polarity,
    "order": word_order,
    "passive": passive,
    "verb-form": verb_form,
}

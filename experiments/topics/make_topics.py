"""Makes topics.csv: short sentences in four topics, more of some than of others; the same sentences every time.

    python experiments/topics/make_topics.py > experiments/topics/topics.csv

A sentence is a frame that any topic may use, with words of its own topic; one in eight also names a thing of another
topic, so that single words do not settle it.
"""

import csv
import random
import sys

COUNTS = {"cooking": 180, "sport": 130, "weather": 90, "travel": 60}
"""Sentences of each topic."""

PEOPLE = "Anna|Ben|Clara|David|Ella|my brother|our neighbour|the old woman|the children|her cousin|Tom|Maria"
TIMES = "today|yesterday|this morning|last night|on Sunday|before noon|again|all week|at last|for hours"
DID = {
    "cooking": "baked|stirred|fried|peeled|boiled|seasoned|tasted|chopped|grilled|served",
    "sport": "won|lost|watched|trained for|cheered at|refereed|missed|played in|talked about|scored in",
    "weather": "cursed|forecast|measured|waited out|hid from|woke up to|photographed|feared|enjoyed|saw",
    "travel": "booked|missed|boarded|planned|cancelled|left|found|paid for|waited for|dreamt of",
}
THINGS = {
    "cooking": "the soup|the onions|a loaf of bread|the pancakes|the rice|a salad|the sauce|the potatoes|a cake",
    "sport": "the match|the race|the final|the tournament|the second half|the relay|the derby|the marathon",
    "weather": "the storm|the fog|the heavy rain|the first snow|the heat|the hail|the cold wind|the thunder",
    "travel": "the train|the flight|the ferry|a hotel room|the tour|the airport|the night bus|the trip",
}
MORE = {
    "cooking": "with too much salt|in a large pan|for six guests|with garlic|over a low flame|in the oven",
    "sport": "in extra time|with the team|on the pitch|by two goals|against the champions|at the stadium",
    "weather": "under dark clouds|by the coast|below zero|in the valley|over the hills|before the sun came",
    "travel": "with two suitcases|to Lisbon|at the border|without a ticket|near the station|on the island",
}


def sentence(topic: str, random_: random.Random) -> str:
    """One sentence of a topic."""

    def draw(phrases: str) -> str:
        return random_.choice(phrases.split("|"))

    who, when = draw(PEOPLE), draw(TIMES)
    did, thing, more = draw(DID[topic]), draw(THINGS[topic]), draw(MORE[topic])
    if random_.random() < 1 / 8:
        other = random_.choice([name for name in THINGS if name != topic])
        return f"{who[0].upper()}{who[1:]} spoke of {draw(THINGS[other])}, but {did} {thing} {when}."
    words = random_.choice(
        [f"{who} {did} {thing} {when}", f"{who} {did} {thing} {more}", f"{when}, {who} {did} {thing}"]
    )
    return f"{words[0].upper()}{words[1:]}."


def rows() -> list[tuple[str, str]]:
    """Every (sentence, topic), no sentence twice, in a random order."""
    random_ = random.Random(4)
    found: dict[str, str] = {}
    for topic, count in COUNTS.items():
        while sum(of == topic for of in found.values()) < count:
            found.setdefault(sentence(topic, random_), topic)
    mixed = list(found.items())
    random_.shuffle(mixed)
    return mixed


if __name__ == "__main__":
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["sentence", "topic"])
    writer.writerows(rows())

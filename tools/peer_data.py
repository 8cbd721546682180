"""What the peer_* scripts share: reading a corpus as the tutorial does. Knows nothing of models."""
import os

STRAY = {"0", "I-", "I-I-MISC", "I-OR", "I-PRG", "VMISC"}


def read_sentences(paths):
    """(words, tags) of every sentence of CoNLL files or of folders of them, in sorted order."""
    for path in paths:
        files = [os.path.join(path, f) for f in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
        for name in files:
            words, tags = [], []
            with open(name, encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    columns = line.rstrip("\n").split("\t")
                    if len(columns) > 1:
                        words.append(columns[0])
                        tags.append("O" if columns[1].strip() in STRAY else columns[1].strip())
                    elif words:
                        yield words, tags
                        words, tags = [], []
            if words:
                yield words, tags

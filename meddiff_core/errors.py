"""The one exception that means: what the user gave cannot be used."""


class InputError(ValueError):
    """A file, option or weight that cannot be used as given.

    The message is one sentence for the person who typed the command: it names the value and says what to do.
    The command line shows that sentence alone, without a traceback, and exits with code 1.
    """

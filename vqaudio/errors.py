"""The one kind of error that is a person's to mend: its message is a plain sentence that says what to do."""


class InputError(ValueError):
    """Something that was given (a file, a number, a name) cannot be used.

    The message is shown as it is: by the command line in one line with exit code 2, by the app as a toast.
    """

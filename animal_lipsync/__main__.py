"""What `animal-lipsync` and `python -m animal_lipsync` start."""

import signal
import sys


def main() -> int:
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the rest is imported there is nothing to undo or to trace
    from .cli import main

    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nor once all is done
    return code


if __name__ == "__main__":
    sys.exit(main())

import sys

from vqaudio.cli import main

if __name__ == "__main__":
    sys.exit(main())

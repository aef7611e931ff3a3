"""Image-to-image translation with GANs: the package behind the course book.

The floors, bottom to top: ``nn``, ``losses``, ``data``, ``methods``, ``training`` and what measures, then what the
chapters and the command line call. A file imports only from floors below its own.
"""

__version__ = "0.1.0"

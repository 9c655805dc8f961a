"""Names of modules that emitted code or its frameworks import.

The emitted file of a network is called as the network is. Beside a script that is run, it would be
imported in place of a module of the same name, by the script itself or by its neighbours.
"""

from __future__ import annotations

import os
from functools import cache

from archc.language.names import name_error
from archc.plugins import plugins

_STANDARD_LIBRARY = """
abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit audioop
base64 bdb binascii bisect builtins bz2 calendar cgi cgitb chunk cmath cmd code codecs codeop
collections colorsys compileall compression concurrent configparser contextlib contextvars copy
copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest
email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch fractions
ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac
html http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools json keyword
lib2to3 linecache locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder
msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator
optparse os ossaudiodev pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib
posix posixpath pprint profile profiling pstats pty pwd py_compile pyclbr pydoc pydoc_data
pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select
selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3
sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau
symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this
threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle
turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser
winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo
"""
STANDARD_LIBRARY = frozenset(_STANDARD_LIBRARY.split())
"""`sys.stdlib_module_names` of Python 3.11 to 3.15 together, as far as they are valid names: the
verdict on a spec does not depend on the Python that runs archc."""

_BACKENDS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "backends")
_FILE = "modules.txt"
"""In the folder of a backend: the modules of its framework, one a line, with comments after `#`."""


@cache
def framework_modules() -> frozenset[str]:
    """The modules of the frameworks of all backends, read from the backends' folders without
    importing these; of a backend of a package from outside, the package itself."""
    names = {one.entry_point.value.partition(":")[0] for one in plugins("archc.backends")}
    modules = {name.partition(".")[0] for name in names}
    for folder in sorted(os.listdir(_BACKENDS)):
        path = os.path.join(_BACKENDS, folder, _FILE)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as stream:
                modules.update(line.partition("#")[0].strip() for line in stream)
    return frozenset(modules - {""})


def network_error(name: str) -> str | None:
    """Why `name` is no valid name of a network, which names the emitted module; None if it is."""
    if name in STANDARD_LIBRARY:
        return "is a module of Python's standard library, which the emitted file would hide"
    if name in framework_modules():
        return "is a module that a backend imports, which the emitted file would hide"
    return name_error(name)

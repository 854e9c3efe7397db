"""Wheels: find, download with resume, verify, unpack into one folder.

pip says where a wheel is and what its checksum must be, and unpacks it; so its configuration
(index, proxy, certificates, find-links) holds here too. pip cannot resume half a gigabyte that was
cut short, so that part is ours.
"""
import csv
import hashlib
import http.client
import importlib.util
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

CACHE = Path(os.environ.get("SPATIA_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spatia").absolute()
WHEELS = CACHE / "wheels"
RETRIES = 6  # without a byte gained in between
CHUNK = 1 << 20


def has_pip():
    return importlib.util.find_spec("pip") is not None


def pip(*args, **options):
    # We only ever write to folders of our own, so settings that guard or redirect the user's do not apply.
    env = dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1",
               PIP_ROOT_USER_ACTION="ignore")
    return subprocess.run([sys.executable, "-m", "pip", *map(str, args)], env=env, check=True, **options)


def whole(folder, pin):
    """Whether `pin` is unpacked in `folder` with every file at its recorded size."""
    name, version = pin.split("==")
    try:
        with open(folder / f"{name.replace('-', '_')}-{version}.dist-info" / "RECORD", newline="") as record:
            return all(
                os.stat(f"{folder}/{path}").st_size == int(size)
                for path, _, size in csv.reader(record)
                if size and not path.startswith("..")  # launchers, which pip writes elsewhere
            )
    except (OSError, ValueError):
        return False


def plan(pins, folder):
    """Print what `install` would fetch."""
    missing = [pin for pin in pins if not whole(folder, pin)]
    sources = {pin: url for pin, url, _ in locate(missing)}
    for pin in pins:
        if pin in sources:
            name = file_name(sources[pin])
            print(f"{pin:34} {'cached' if (WHEELS / name).is_file() else 'to download'}: {name}")
        else:
            print(f"{pin:34} {'not found by pip' if pin in missing else 'in place'}")


def install(pins, folder):
    """Unpack `pins` into a new folder and put it in the place of `folder` once it is whole."""
    files = fetch(pins)
    new, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    print(f"unpacking {len(files)} wheels into {folder}", flush=True)
    pip("install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", new, *files)
    broken = [pin for pin in pins if not whole(new, pin)]
    if broken:
        sys.exit(f"pip left these unfinished in {new}: {', '.join(broken)}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.rename(folder, old)
    os.rename(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def fetch(pins):
    """The wheel file of each pin, downloaded where it is not at hand."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    files = {}
    for pin, url, sha256 in locate(pins):
        if url.startswith("file:"):
            files[pin] = Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
            continue
        file = WHEELS / file_name(url)
        if sha256 and (file.is_file() and digest(file) == sha256 or download(url, sha256, file)):
            files[pin] = file
    rest = [pin for pin in pins if pin not in files]
    if rest:  # an older pip, an index that wants a password, or no network and a full cache
        print(f"asking pip for {', '.join(rest)}", flush=True)
        with tempfile.TemporaryDirectory(dir=WHEELS) as got:
            pip("download", "--no-deps", "--only-binary=:all:", "--find-links", WHEELS, "--dest", got, *rest)
            for file in Path(got).iterdir():
                files[file.name] = file.rename(WHEELS / file.name)
    return list(files.values())


def locate(pins):
    """(pin, address, sha256 or None) as pip resolves them; nothing where this pip cannot say."""
    if not pins:
        return []
    try:
        said = pip("install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:",
                   "--report", "-", *pins, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        found = [(item["metadata"], item["download_info"]) for item in json.loads(said)["install"]]
    except (subprocess.CalledProcessError, ValueError):
        return []
    named = {pin.split("==")[0]: pin for pin in pins}
    return [
        (
            named[metadata["name"].lower().replace("_", "-")],
            info["url"],
            info.get("archive_info", {}).get("hashes", {}).get("sha256"),
        )
        for metadata, info in found
    ]


def download(url, sha256, file):
    """Whether `file` could be fetched whole. What arrives is kept in `file`.part between attempts and runs."""
    part = file.with_name(file.name + ".part")
    opener, failures, thrown_away = build_opener(), 0, 0
    while thrown_away < 2:
        have = part.stat().st_size if part.exists() else 0
        try:
            request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
            with opener.open(request, timeout=60) as answer, open(part, "ab") as out:
                if answer.status != 206:  # the server sends it all again
                    have = 0
                    out.truncate(0)
                show = Progress(file.name, have, have + int(answer.headers["Content-Length"]))
                while chunk := answer.read(CHUNK):
                    out.write(chunk)
                    failures = 0
                    show.add(len(chunk))
                if show.have < show.total:
                    raise ConnectionError(f"cut short at {show.have} of {show.total} bytes")
        except (OSError, http.client.HTTPException) as error:
            code = getattr(error, "code", None)
            if code != 416:  # 416: there is nothing beyond what we have, so let the checksum judge
                final = (code and code < 500 and code != 429) or failures == RETRIES
                print(f"\n{file.name}: {error}{'' if final else '; trying again'}", flush=True)
                if final:
                    return False
                failures += 1
                time.sleep(min(2**failures, 30))
                continue
        if digest(part) == sha256:
            part.rename(file)
            return True
        part.unlink()
        thrown_away += 1
        print(f"{file.name}: wrong checksum, thrown away", flush=True)
    return False


def build_opener():
    """As pip connects: urllib reads the proxy variables itself, the rest stands in pip's configuration."""
    said = pip("config", "list", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    config = {}
    for line in said.splitlines():
        key, _, value = line.partition("=")
        config[key.rpartition(".")[2]] = value.strip("'\"")
    proxy = {scheme: config["proxy"] for scheme in ("http", "https")} if "proxy" in config else None
    context = ssl.create_default_context(cafile=config.get("cert"))
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxy), urllib.request.HTTPSHandler(context=context))


class Progress:
    """A line that counts in a terminal, a line every 100 MB elsewhere."""

    def __init__(self, name, have, total):
        self.name, self.have, self.total, self.shown = name, have, total, None
        self.step = 1 if sys.stdout.isatty() else 100
        self.add(0)

    def add(self, count):
        self.have += count
        done, now = self.have >= self.total, int(self.have / 1e6) // self.step
        if now != self.shown or done:
            self.shown = now
            start, end = ("\r", "\n" if done else "") if self.step == 1 else ("", "\n")
            print(f"{start}{self.name}: {self.have / 1e6:.0f} of {self.total / 1e6:.0f} MB", end=end, flush=True)


def file_name(url):
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])


def digest(file):
    sha256 = hashlib.sha256()
    with open(file, "rb") as data:
        while chunk := data.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()

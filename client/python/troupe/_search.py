"""Ask and tell: the points of a search for a loop of one's own. Plain HTTP to the head; nothing else is needed."""
import http.client
import json
import os
import ssl
import time
import urllib.parse
import uuid

from ._library import Error

_CODES = {400: "invalid", 401: "unauthenticated", 403: "refused", 404: "not_found", 409: "conflict", 429: "exhausted",
          503: "unavailable", 504: "timed_out", 507: "exhausted"}
_TRIES = 6  # with pauses of 0.1 s, 0.2 s, ...: a head that is started again is back by then


def _endpoint():
    """As the command line has it: TROUPE_URL with its token, then the context."""
    folder = os.environ.get("TROUPE_CONFIG_DIR") or os.path.join(
        os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config"), "troupe")
    url, token = os.environ.get("TROUPE_URL"), os.environ.get("TROUPE_TOKEN")
    try:
        if os.environ.get("TROUPE_TOKEN_FILE"):
            with open(os.environ["TROUPE_TOKEN_FILE"]) as file:
                token = file.read().strip()
        name = os.environ.get("TROUPE_CONTEXT")
        if not name and not (url and token):
            with open(os.path.join(folder, "current")) as file:
                name = file.read().strip()
        if name and not (url and token):
            with open(os.path.join(folder, "contexts", name + ".json")) as file:
                context = json.load(file)
            if not url or url == context["url"]:
                url, token = context["url"], context["token"]
    except (OSError, ValueError, KeyError) as error:
        raise Error("unauthenticated", "no head to talk to", str(error),
                    "start one with `troupe up`, or log in with `troupe login URL`") from None
    return url, token or ""


class _Connection:
    """One kept connection. What is sent may be sent twice: questions carry a key, and a result told again is none."""

    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Error("invalid", f"{url} is no address of a head", "", "it begins with http:// or https://")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._headers = {"Authorization": "Bearer " + token}
        self._open = None

    def _connect(self):
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, timeout=120, context=ssl.create_default_context())
        return http.client.HTTPConnection(self._host, self._port, timeout=120)

    def call(self, method, path, body=None, key=None):
        headers = dict(self._headers)
        if key:
            headers["Idempotency-Key"] = key
        text = None if body is None else json.dumps(body, allow_nan=True)
        for attempt in range(_TRIES):
            try:
                if self._open is None:
                    self._open = self._connect()
                self._open.request(method, path, text, headers)
                answer = self._open.getresponse()
                status, content = answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt + 1 == _TRIES:
                    raise Error("unavailable", "the head cannot be reached", str(error), "is `troupe up` running?") from None
                time.sleep(0.1 * 2 ** attempt)
                continue
            if status == 503 and attempt + 1 < _TRIES:
                time.sleep(0.1 * 2 ** attempt)
                continue
            return self._value(status, content)

    @staticmethod
    def _value(status, content):
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        if status < 400 and value is not None:
            return value
        problem = (value or {}).get("error") or {}
        raise Error(problem.get("code") or _CODES.get(status, "bug"), problem.get("message") or f"the head answered {status}",
                    problem.get("detail") or "", problem.get("hint") or "")

    def close(self):
        if self._open is not None:
            self._open.close()
            self._open = None


def _parameter(name, spec):
    """A value, a list of choices, or {"range": {...}} or {"choices": [...]}, as in the project file."""
    if isinstance(spec, dict):
        return {"name": name, **spec}
    if isinstance(spec, (list, tuple)):
        return {"name": name, "choices": list(spec)}
    return {"name": name, "value": spec}


class Trial:
    """A point to try. Tell what came of it once; until then it counts as running."""

    def __init__(self, search, answer):
        self._search = search
        self.id, self.number, self.params = answer["id"], answer["trial"], answer["params"]

    def __getitem__(self, name):
        return self.params[name]

    def tell(self, value=None, **metrics):
        """The value of the set's metric (a list where it has several), or metrics by their names."""
        return self._search.tell(self.number, value, **metrics)

    def report(self, **metrics):
        """How far it has come, with what early stopping looks at: True where it is to end."""
        return self._search._tell(self.number, "RUNNING", None, metrics)["stop"]

    def fail(self):
        """Its point is bad: it crashed, or gave no value."""
        return self._search._tell(self.number, "FAILED", None, {})

    def give_up(self):
        """Ended for a reason of one's own, which says nothing about the point."""
        return self._search._tell(self.number, "KILLED", None, {})

    def __repr__(self):
        return f"Trial({self.id}, {self.params})"


class Search:
    """A set whose members are run here: `for trial in Search(42): trial.tell(loss(**trial.params))`.

    An object belongs to one thread; any number of processes and machines may ask the same set."""

    def __init__(self, id, url=None, token=None):
        if url is None:
            url, token = _endpoint()
        self.id = str(id)
        self._connection = _Connection(url, token or "")
        self.done = False

    @classmethod
    def create(cls, parameters, metric=None, trials=None, strategy=None, project="search", name=None, key=None, url=None,
               token=None, **sweep):
        """Makes a set; `sweep` has further keys of the project file's: seed, concurrency, stop_when, early_stop, ..."""
        if metric and not isinstance(metric, str):
            metric = ",".join(metric)
        given = {"strategy": strategy or ("auto" if metric else "random"), "trials": trials, "metric": metric, **sweep}
        body = {"project": project, "parameters": [_parameter(*one) for one in parameters.items()],
                "sweep": {"ask": True, **{field: value for field, value in given.items() if value is not None}}}
        if name:
            body["name"] = name
        search = cls(0, url, token)
        search.id = search._connection.call("POST", "/api/v1/sets", body, key or uuid.uuid4().hex)["id"]
        return search

    def _path(self, verb=""):
        return f"/api/v1/sets/{urllib.parse.quote(self.id, safe='.')}{verb}"

    def ask(self, count=None, wait=True):
        """The next trial, None where there are no more; with `count` a list of up to so many. With `wait`, waits while as many
        run as may."""
        pause = 0.05
        while True:
            answer = self._connection.call("POST", self._path(":ask"), {"count": count or 1}, uuid.uuid4().hex)
            trials = [Trial(self, one) for one in answer["trials"]]
            self.done = answer["done"]
            if trials or self.done or not wait:
                return trials if count is not None else (trials[0] if trials else None)
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def pending(self):
        """Trials that were asked for, by whomever, and not told yet."""
        return [Trial(self, one) for one in self._connection.call("GET", self._path(":ask"))["trials"]]

    def tell(self, trial, value=None, **metrics):
        return self._tell(trial, "FINISHED", value, metrics)

    def _tell(self, trial, state, value, metrics):
        body = {"trial": trial, "state": state, "metrics": {name: _plain(one) for name, one in metrics.items()}}
        if value is not None:
            body["value"] = [_plain(one) for one in value] if isinstance(value, (list, tuple)) else _plain(value)
        answer = self._connection.call("POST", self._path(":tell"), body)
        self.done = self.done or answer["done"]
        return answer

    def show(self):
        """Everything recorded about the set."""
        return self._connection.call("GET", self._path())

    @property
    def best(self):
        """{"id", "params", "value"} of the best trial; None where there is none yet."""
        return self.show()["best"]

    def __iter__(self):
        while True:
            trial = self.ask()
            if trial is None:
                return
            yield trial

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _plain(value):
    """Numbers of numpy and torch as Python's; what JSON has no number for as the text that says so."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    return value

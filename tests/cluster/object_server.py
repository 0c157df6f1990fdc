#!/usr/bin/env python3
"""Serves the files of a folder over HTTP as web servers and S3 do, with the faults a test asks for.

    object_server.py FOLDER [--port N] [--key ID --secret SECRET] [--cut BYTES [--die]] [--page N]

Prints its port. Every request is a line of FOLDER.log: method, path, range, answer. With --cut the first answer
for each path breaks off behind so many bytes, and with --die so does the server. With --key requests must be signed (AWS Signature Version 4); the
signature is computed here anew. Files have an ETag of their content; ranges and If-Range are honoured.
"""
import argparse
import hashlib
import hmac
import http.server
import os
import sys
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--key", default="")
parser.add_argument("--secret", default="")
parser.add_argument("--cut", type=int, default=0)
parser.add_argument("--die", action="store_true")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--page", type=int, default=1000)
options = parser.parse_args()
cut_already = set()


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self, status):
        with open(options.folder + ".log", "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {self.headers.get('Range', '-')} {status}\n")

    def answer(self, status, body=b"", headers=()):
        self.note(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        path = self.path
        if options.cut and status in (200, 206) and path not in cut_already and len(body) > options.cut:
            cut_already.add(path)
            self.wfile.write(body[: options.cut])
            self.wfile.flush()
            if options.die:
                os._exit(0)
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(body)

    def is_signed(self):
        if not options.key:
            return True
        given = self.headers.get("Authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            return False
        fields = dict(part.strip().split("=", 1) for part in given[len("AWS4-HMAC-SHA256 "):].split(","))
        key, date, region, service, last = fields["Credential"].split("/")
        path, _, query = self.path.partition("?")
        names = fields["SignedHeaders"].split(";")
        headers = "".join(f"{name}:{' '.join(self.headers.get(name, '').split())}\n" for name in names)
        canonical = "\n".join([self.command, path, "&".join(sorted(query.split("&"))), headers, ";".join(names),
                               self.headers.get("x-amz-content-sha256", "")])
        scope = f"{date}/{region}/{service}/{last}"
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers.get("x-amz-date", ""), scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        signing = sign(("AWS4" + options.secret).encode(), date)
        for part in (region, service, "aws4_request"):
            signing = sign(signing, part)
        return (key == options.key and service == "s3" and
                hmac.compare_digest(sign(signing, text).hex(), fields["Signature"]))

    def listing(self, bucket, query):
        prefix = query.get("prefix", [""])[0]
        root = os.path.join(options.folder, bucket)
        keys = sorted(os.path.relpath(os.path.join(at, name), root)
                      for at, _, names in os.walk(root) for name in names)
        keys = [key for key in keys if key.startswith(prefix)]
        begin = int(query.get("continuation-token", ["0"])[0])
        page, more = keys[begin:begin + options.page], begin + options.page < len(keys)
        body = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        body += f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        for key in page:
            size = os.path.getsize(os.path.join(root, key))
            body += f"<Contents><Key>{urllib.parse.quote(key)}</Key><Size>{size}</Size></Contents>"
        if more:
            body += f"<NextContinuationToken>{begin + options.page}</NextContinuationToken>"
        self.answer(200, (body + "</ListBucketResult>").encode())

    def do_GET(self):
        path, _, text = self.path.partition("?")
        query = urllib.parse.parse_qs(text, keep_blank_values=True)
        if not self.is_signed():
            return self.answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        name = urllib.parse.unquote(path).lstrip("/")
        if "list-type" in query:
            return self.listing(name.strip("/"), query)
        if name.startswith("moved/"):
            return self.answer(302, b"", [("Location", "/" + path.lstrip("/")[len("moved/"):])])
        try:
            with open(os.path.join(options.folder, name), "rb") as file:
                data = file.read()
        except OSError:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        tag = '"' + hashlib.md5(data).hexdigest() + '"'
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and self.headers.get("If-Range", tag) == tag:
            begin = int(wanted[len("bytes="):].split("-")[0])
            if begin >= len(data):
                return self.answer(416, b"", [("Content-Range", f"bytes */{len(data)}")])
            span = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            return self.answer(206, data[begin:], [("ETag", tag), ("Content-Range", span)])
        self.answer(200, data, [("ETag", tag)])


server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
print(server.server_address[1], flush=True)
sys.stdout.close()
server.serve_forever()

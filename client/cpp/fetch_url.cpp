#include "client/cpp/fetch_url.hpp"

#include "client/cpp/curl_library.hpp"
#include "runtime/core/fd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace troupe::client {

namespace {

constexpr long redirects_max = 10;
constexpr long connect_seconds = 20;
constexpr long silent_seconds = 60;  // so long nothing may come
constexpr int tries_max = 5;         // one behind the other without a byte
constexpr size_t error_text_max = 400;
constexpr size_t mark_bytes_max = 4096;

/// One answer, taken in as it comes.
struct Answer {
  const FetchUrl* what = nullptr;
  const CurlLibrary* curl = nullptr;
  CURL* handle = nullptr;
  int fd = -1;            // where to; -1: `text`
  std::string mark_path;  // by which mark the bytes in `fd` go
  uint64_t have = 0;      // of the file, from before
  size_t text_max = 0;    // of `text`
  std::string text;       // of a small answer, or of an error
  std::string mark;       // of this answer
  uint64_t came = 0;      // bytes of the file
  bool begun = false;
  bool is_error = false;
  Result<void> problem = ok();
};

long status_of(const Answer& answer) {
  long status = 0;
  answer.curl->easy_getinfo(answer.handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto& answer = *static_cast<Answer*>(user);
  std::string_view line{data, size * count};
  if (line.starts_with("HTTP/")) answer.mark.clear();  // of a redirect before
  auto colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name{line.substr(0, colon)};
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  auto value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' '))
    value.remove_suffix(1);
  // A weak mark does not stand for the very same bytes.
  if (name == "etag" && !value.starts_with("W/")) answer.mark = value;
  if (name == "last-modified" && answer.mark.empty()) answer.mark = value;
  return line.size();
}

/// The first byte decides what this answer is: the rest of a file, a whole one, an error.
void begin_body(Answer& answer) {
  answer.begun = true;
  auto status = status_of(answer);
  answer.is_error = status >= 300;
  if (answer.is_error || answer.fd < 0 || status == 206) return;
  answer.have = 0;
  // Without a mark nobody could say whether a later rest belongs to what is here.
  ::unlink(answer.mark_path.c_str());
  if (::ftruncate(answer.fd, 0) != 0 || ::lseek(answer.fd, 0, SEEK_SET) != 0)
    answer.problem = errno_error(errno, "a download cannot begin anew");
  else if (!answer.mark.empty())
    answer.problem = replace_file(answer.mark_path, answer.mark, 0600, false);
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto& answer = *static_cast<Answer*>(user);
  std::string_view bytes{data, size * count};
  if (!answer.begun) begin_body(answer);
  if (!answer.problem) return 0;
  if (answer.is_error || answer.fd < 0) {
    auto most = answer.is_error ? error_text_max : answer.text_max;
    if (!answer.is_error && answer.text.size() + bytes.size() > most) {
      answer.problem = Error{Errc::exhausted, fmt::format("{} is too long", answer.what->url),
                             fmt::format("more than {} bytes came", most), ""};
      return 0;
    }
    answer.text += bytes.substr(0, most - std::min(most, answer.text.size()));
    return bytes.size();
  }
  answer.problem = write_all(answer.fd, bytes);
  if (!answer.problem) return 0;
  answer.came += bytes.size();
  if (answer.what->progress && !answer.what->progress(bytes.size())) {
    answer.problem = Error{Errc::conflict, "the download was ended", "somebody asked for it",
                           "start it again: it goes on where it ended"};
    return 0;
  }
  return bytes.size();
}

Error refusal(const FetchUrl& what, long status, const std::string& text) {
  auto code = status == 404 || status == 410                    ? Errc::not_found
              : status == 401 || status == 403 || status == 407 ? Errc::refused
              : status == 429 || status >= 500                  ? Errc::unavailable
                                                                : Errc::invalid;
  auto hint = code == Errc::refused     ? "does it want credentials? http: ~/.netrc; s3: "
                                          "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
              : code == Errc::not_found ? "is the address right?"
                                        : "";
  std::string said;
  for (char c : text) said += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  return {code, fmt::format("{} was not given", what.url),
          fmt::format("the server answered {}{}{}", status, said.empty() ? "" : ": ", said), hint};
}

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

/// One request, from `answer.have` on. True where it may be tried again.
Result<bool> ask_once(const CurlLibrary& curl, Answer& answer, const std::string& if_range) {
  const auto& what = *answer.what;
  std::unique_ptr<CURL, void (*)(CURL*)> handle{curl.easy_init(), curl.easy_cleanup};
  if (!handle) return Error{Errc::exhausted, "a download cannot be prepared", "no memory", ""};
  answer.curl = &curl;
  answer.handle = handle.get();
  auto set = [&](CURLoption option, auto value) { curl.easy_setopt(handle.get(), option, value); };
  set(CURLOPT_URL, what.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, redirects_max);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT, connect_seconds);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, silent_seconds);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&answer));
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&answer));
  curl_slist* list = nullptr;
  auto header = [&](const std::string& text) { list = curl.slist_append(list, text.c_str()); };
  std::string signature, user;
  if (!what.signature.key_id.empty()) {
    signature = fmt::format("aws:amz:{}:s3", what.signature.region);
    user = what.signature.key_id + ":" + what.signature.secret;
    set(CURLOPT_AWS_SIGV4, signature.c_str());
    set(CURLOPT_USERPWD, user.c_str());
    header("x-amz-content-sha256: UNSIGNED-PAYLOAD");
    if (!what.signature.session_token.empty())
      header("x-amz-security-token: " + what.signature.session_token);
  } else {
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
  }
  auto range = fmt::format("{}-", answer.have);
  if (answer.have > 0) {
    set(CURLOPT_RANGE, range.c_str());
    header("If-Range: " + if_range);
  }
  set(CURLOPT_HTTPHEADER, list);
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers{list, curl.slist_free_all};
  auto code = curl.easy_perform(handle.get());
  if (!answer.problem) return answer.problem.error();
  auto status = status_of(answer);
  if (code != CURLE_OK) {
    if (may_pass(code)) return true;
    return Error{Errc::unavailable, fmt::format("{} cannot be fetched", what.url),
                 curl.easy_strerror(code), "is the address right, and does this machine reach it?"};
  }
  if (status == 429 || status >= 500) return true;
  // Nothing lies behind what is here, and it is still the same: it is whole.
  if (status == 416 && answer.have > 0) return false;
  if (status >= 300) return refusal(what, status, answer.text);
  if (!answer.begun && answer.fd >= 0) begin_body(answer);  // an empty file
  return false;
}

/// Asks until all of it is here. `resume` prepares the next try: what there is, by which mark.
template <class Resume>
Result<void> ask_until_whole(const FetchUrl& what, Answer& answer, const Resume& resume) {
  auto curl = curl_library();
  if (!curl) return std::move(curl).error();
  answer.what = &what;
  for (int tries = 1;; ++tries) {
    answer.text.clear();
    answer.begun = answer.is_error = false;
    answer.came = 0;
    auto if_range = resume();
    if (!if_range) return std::move(if_range).error();
    auto again = ask_once(**curl, answer, *if_range);
    if (!again) return std::move(again).error();
    if (!*again) return ok();
    if (answer.came > 0) tries = 0;
    if (tries >= tries_max)
      return Error{Errc::unavailable, fmt::format("{} cannot be fetched", what.url),
                   fmt::format("the connection failed {} times", tries_max),
                   "start it again later: it goes on where it ended"};
    // tidy: allow sleep: who refused may be busy; there is nothing to wait for but time
    std::this_thread::sleep_for(std::chrono::milliseconds{200 << std::min(tries, 5)});
  }
}

}  // namespace

Result<void> fetch_to_file(const FetchUrl& what, const std::string& path,
                           const std::string& mark_path) {
  auto fd = open_file(path, O_RDWR | O_CREAT, 0600);
  if (!fd) return std::move(fd).error();
  Answer answer;
  answer.fd = fd->get();
  answer.mark_path = mark_path;
  auto resume = [&]() -> Result<std::string> {
    auto known = read_file(mark_path, mark_bytes_max).value_or("");
    struct stat now {};
    if (::fstat(fd->get(), &now) != 0) return errno_error(errno, path + " cannot be read");
    answer.have = known.empty() ? 0 : static_cast<uint64_t>(now.st_size);
    if (::ftruncate(fd->get(), static_cast<off_t>(answer.have)) != 0 ||
        ::lseek(fd->get(), static_cast<off_t>(answer.have), SEEK_SET) < 0)
      return errno_error(errno, path + " cannot be written");
    return known;
  };
  return ask_until_whole(what, answer, resume);
}

Result<std::string> fetch_text(const FetchUrl& what, size_t bytes_max) {
  Answer answer;
  answer.text_max = bytes_max;
  TROUPE_TRY(ask_until_whole(what, answer, [] { return Result<std::string>{std::string{}}; }));
  return std::move(answer.text);
}

}  // namespace troupe::client

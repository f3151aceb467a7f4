#include "runtime/http_client/client.hpp"

#include "runtime/net/transfer_pace.hpp"

#include <algorithm>
#include <curl/curl.h>
#include <memory>
#include <string_view>

namespace tayfa {

namespace {

struct easy_deleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct url_deleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct list_deleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// A live pod reaches this rate on any usable connection.
constexpr std::uint64_t least_rate = 1'024;

/// The pace of one request; libcurl reports progress at least once a second.
class pace_keeper {
 public:
  pace_keeper(std::chrono::milliseconds idle, std::size_t body_bytes)
      : limits_{idle, least_rate}, body_bytes_(body_bytes) {
    pace_.begin(limits_, time_.now());
  }

  bool goes_on(std::uint64_t sent, std::uint64_t received) {
    const auto now = time_.now();
    pace_.moved(sent + received - std::min(sent + received, moved_), now);
    moved_ = sent + received;
    const int part = received > 0 ? 2 : sent >= body_bytes_ ? 1 : 0;
    if (part > part_) {
      part_ = part;
      pace_.begin(limits_, now);
    }
    return pace_.keeps_up(now);
  }
  bool was_late() const { return late_; }

  static int on_progress(void* self, curl_off_t, curl_off_t received, curl_off_t,
                         curl_off_t sent) noexcept {
    auto& me = *static_cast<pace_keeper*>(self);
    me.late_ = me.late_ ||
               !me.goes_on(static_cast<std::uint64_t>(sent), static_cast<std::uint64_t>(received));
    return me.late_ ? 1 : 0;
  }

 private:
  system_time time_;
  transfer_pace pace_;
  transfer_pace::limits limits_;
  std::uint64_t body_bytes_;
  std::uint64_t moved_ = 0;
  int part_ = 0; ///< sending, waiting, receiving
  bool late_ = false;
};

struct receiver {
  std::string body;
  std::size_t max = 0;
  bool too_large = false;
};

/// C callback: it must not throw, and returning less than the given size aborts the transfer.
std::size_t take(char* bytes, std::size_t size, std::size_t count, void* to) noexcept {
  auto& out = *static_cast<receiver*>(to);
  const std::size_t length = size * count;
  if (length > out.max - out.body.size()) {
    out.too_large = true;
    return 0;
  }
  try {
    out.body.append(bytes, length);
  } catch (const std::exception&) {
    return 0;
  }
  return length;
}

/// libcurl requires its global initialization before the first handle and before a second thread.
bool curl_is_ready() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

/// The environment's proxies are for remote hosts, not for this machine.
result<bool> is_loopback(const std::string& url) {
  const std::unique_ptr<CURLU, url_deleter> parts{curl_url()};
  char* text = nullptr;
  if (!parts || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parts.get(), CURLUPART_HOST, &text, 0) != CURLUE_OK) {
    return fail(errc::bad_usage, "\"" + url + "\" is no URL such as http://127.0.0.1:8000");
  }
  const std::string host{text};
  curl_free(text);
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

error transport_error(CURLcode code, const client_request& asked, bool too_large, bool late) {
  if (late) {
    return {errc::request_timeout, asked.url + ": the transfer stalled or was too slow"};
  }
  const std::string text = asked.url + ": " + curl_easy_strerror(code);
  if (too_large) {
    return {errc::payload_too_large, asked.url + ": the answer is larger than " +
                                         std::to_string(asked.response_bytes_max) + " bytes"};
  }
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
      code == CURLE_COULDNT_RESOLVE_PROXY) {
    return {errc::unavailable, text};
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {errc::request_timeout, text};
  }
  const bool bad_url = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
  return {bad_url ? errc::bad_usage : errc::io_error, text};
}

void describe_request(CURL* h, const client_request& asked, const curl_slist* fields) {
  curl_easy_setopt(h, CURLOPT_URL, asked.url.c_str());
  curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(asked.connect_timeout.count()));
  curl_easy_setopt(h, CURLOPT_HTTPHEADER, fields);
  if (!asked.key.empty()) {
    const std::string key{asked.key.reveal()}; // libcurl keeps a copy
    curl_easy_setopt(h, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(h, CURLOPT_XOAUTH2_BEARER, key.c_str());
  }
  if (asked.method == "POST") {
    curl_easy_setopt(h, CURLOPT_POST, 1L);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(asked.body.size()));
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, asked.body.data());
  } else if (asked.method == "HEAD") {
    curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
  } else {
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, asked.method.c_str());
  }
}

bool is_key(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

} // namespace

result<client_response> fetch(const client_request& asked) {
  const auto loopback = is_loopback(asked.url);
  if (!loopback) {
    return fail(loopback.error());
  }
  if (!is_key(asked.key.reveal())) {
    return fail(errc::bad_usage, "the API key has characters that no header can carry");
  }
  const std::unique_ptr<CURL, easy_deleter> handle{curl_is_ready() ? curl_easy_init() : nullptr};
  const std::string type = "Content-Type: " + asked.content_type;
  const std::unique_ptr<curl_slist, list_deleter> fields{curl_slist_append(nullptr, type.c_str())};
  if (!handle || !fields) {
    return fail(errc::io_error, "libcurl cannot be used");
  }
  receiver received{{}, asked.response_bytes_max, false};
  describe_request(handle.get(), asked, fields.get());
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &received);
  if (*loopback) {
    curl_easy_setopt(handle.get(), CURLOPT_PROXY, "");
  }
  pace_keeper pace{asked.idle_timeout, asked.method == "POST" ? asked.body.size() : 0};
  curl_easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, &pace_keeper::on_progress);
  curl_easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &pace);
  const CURLcode code = curl_easy_perform(handle.get());
  if (code != CURLE_OK) {
    return fail(transport_error(code, asked, received.too_large, pace.was_late()));
  }
  long status = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  return client_response{static_cast<unsigned>(status), std::move(received.body)};
}

} // namespace tayfa

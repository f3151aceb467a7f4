// One outgoing call on one libcurl handle: what is asked, what came back, what the guard said.
// Owned by the poster's worker and used on its thread only.
//
// Invariant: `done` is called exactly once, by the one of finish() and end() that comes first.
#pragma once

#include "runtime/http/curl_poster.hpp"
#include "runtime/http/url_guard.hpp"

#include <curl/curl.h>
#include <memory>
#include <string>

namespace tayfa {

struct list_deleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using curl_list = std::unique_ptr<curl_slist, list_deleter>;
/// False, and nothing changed, when there is no memory.
bool append(curl_list&, const std::string& line);

class curl_transfer {
 public:
  using done_function = std::function<void(result<outgoing_answer>)>;

  curl_transfer(outgoing_call call, done_function done, std::size_t bytes);
  curl_transfer(const curl_transfer&) = delete;
  curl_transfer& operator=(const curl_transfer&) = delete;
  ~curl_transfer() = default;

  /// Reads the URL and the fields; the guard is asked about what can be known already.
  result<void> check(const poster_options&);
  /// Makes the handle. Only after check(). `pinned` outlives it.
  result<void> open(const poster_options&, curl_slist* pinned);

  CURL* handle() const { return handle_.get(); }
  /// Host and port, after check().
  const std::string& target() const { return target_; }
  std::size_t bytes() const { return bytes_; }

  void finish(CURLcode);
  void end(error);

 private:
  struct handle_deleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };
  static curl_socket_t open_socket(void*, curlsocktype, curl_sockaddr*) noexcept;
  static int before_request(void*, char* remote, char* local, int, int) noexcept;
  static std::size_t take_body(char*, std::size_t, std::size_t, void*) noexcept;
  static std::size_t take_head(char*, std::size_t, std::size_t, void*) noexcept;

  bool sends_body() const;
  bool make_fields();
  error failure(CURLcode) const;
  void take_field(std::string_view line);

  outgoing_call call_;
  done_function done_;
  std::size_t bytes_;
  parsed_url url_;
  std::string target_;
  const address_guard* guard_ = nullptr; ///< of guarded calls
  curl_list fields_;
  outgoing_answer answer_;
  std::size_t head_bytes_ = 0;
  std::size_t sockets_ = 0; ///< made; when none was and some were refused, the guard ended the call
  bool refused_ = false;
  bool too_large_ = false;
  std::unique_ptr<CURL, handle_deleter> handle_; // last: it points to what is above
};

} // namespace tayfa

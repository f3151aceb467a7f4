// An outgoing call on one libcurl handle: the request, the answer, and the guard's verdict. Owned
// by the poster's worker and used on its thread only.
//
// A call may last as long as it makes progress (transfer_pace.hpp) in each of its parts: connecting
// and sending, waiting for the answer, receiving it. Bytes count as sent once the peer acknowledged
// them: the kernel buffers megabytes for a slow peer.
//
// Invariant: `done` is called exactly once, by finish() or end(), whichever comes first.
#pragma once

#include "runtime/base/unique_fd.hpp"
#include "runtime/http_client/curl_poster.hpp"
#include "runtime/http_client/open_sockets.hpp"
#include "runtime/http_client/url_guard.hpp"
#include "runtime/net/transfer_pace.hpp"

#include <curl/curl.h>
#include <memory>
#include <optional>
#include <string>

namespace tayfa {

struct list_deleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using curl_list = std::unique_ptr<curl_slist, list_deleter>;
/// False, with nothing changed, when there is no memory.
bool append(curl_list&, const std::string& line);

class curl_transfer {
 public:
  using done_function = std::function<void(result<outgoing_answer>)>;

  curl_transfer(call_ticket, outgoing_call, done_function, std::size_t bytes);
  curl_transfer(const curl_transfer&) = delete;
  curl_transfer& operator=(const curl_transfer&) = delete;
  ~curl_transfer() = default;

  /// Parses the URL and the fields, and lets the guard judge what is known before resolving.
  result<void> check(const poster_options&);
  /// Makes the handle. Only after check(). `pinned` outlives it; `open_sockets` outlives its
  /// connection.
  result<void> open(const poster_options&, curl_slist* pinned, open_sockets&);
  /// Half-closes the connection and accepts an answer that arrives within `linger`. False when no
  /// request was sent, so that no answer can come. A repeated call restarts the time.
  bool say_goodbye(std::chrono::milliseconds linger);
  /// Readable once the time after say_goodbye() is over.
  int goodbye_timer() const { return goodbye_.get(); }
  bool goodbye_is_over() const;

  CURL* handle() const { return handle_.get(); } ///< only after open()
  /// Starts the run. To be called whenever the handle is given to libcurl.
  void begin(moment now);
  /// Deadline for the next call of goes_on().
  moment due() const { return due_; }
  /// False: no progress for too long, or too slow.
  bool goes_on(moment now);
  /// True when libcurl timed out while connecting, but less than that time has passed on the pod's
  /// clock: nothing was sent, so the call may begin anew.
  bool may_begin_anew(CURLcode, moment now, std::chrono::milliseconds connect_timeout) const;
  call_ticket ticket() const { return ticket_; }
  bool guarded() const { return call_.guarded; }
  bool dropped() const { return dropped_; }
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
  static int close_socket(void*, curl_socket_t) noexcept;
  static int before_request(void*, char* remote, char* local, int, int) noexcept;
  static std::size_t give_body(char*, std::size_t, std::size_t, void*) noexcept;
  static int rewind_body(void*, curl_off_t, int) noexcept;
  static std::size_t take_body(char*, std::size_t, std::size_t, void*) noexcept;
  static std::size_t take_head(char*, std::size_t, std::size_t, void*) noexcept;

  bool sends_body() const;
  bool make_fields();
  bool offer_body();
  bool may_ask(const char* remote, const char* local, int remote_port, int local_port);
  error failure(CURLcode) const;
  void look(moment now);
  void begin_part(moment now);
  void take_field(std::string_view line);

  call_ticket ticket_;
  outgoing_call call_;
  done_function done_;
  std::size_t bytes_;
  parsed_url url_;
  std::string target_;
  const address_guard* guard_ = nullptr; ///< set for guarded calls
  curl_list fields_;
  std::uint64_t body_given_ = 0; ///< bytes of a body in pieces given to libcurl
  outgoing_answer answer_;
  std::size_t head_bytes_ = 0;
  std::size_t sockets_ = 0; ///< sockets made; 0 with some refused means that the guard ended the
                            ///< call
  bool refused_ = false;
  bool too_large_ = false;
  open_sockets* open_ = nullptr;
  std::optional<open_sockets::ends> asked_on_; ///< the connection that carries the request
  bool connected_ = false;                     ///< was connected once: something may have been sent
  bool dropped_ = false;
  enum class part { unbegun, sending, waiting, receiving };
  part part_ = part::unbegun;
  transfer_pace pace_;
  std::uint64_t moved_ = 0; ///< bytes acknowledged or received, at the latest look
  moment began_{};
  moment due_{};
  unique_fd goodbye_;                            ///< the linger timer
  std::unique_ptr<CURL, handle_deleter> handle_; // last: it points to the members above
};

} // namespace tayfa

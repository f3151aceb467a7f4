// The inside of the HTTP server: http_core accepts and owns connections; each connection is a small
// state machine. All of it runs on the server's one thread; other threads may only post to core's
// io context.
//
//   idle -> head -> body -> answering -> writing -> idle …    one request at a time
//     any --------------------------> writing -> lingering -> closed    a refusal that ends it
//                            answering -> streaming -> lingering        an answer that goes on
//
// A read is outstanding in every phase (unless 64 KiB are unread), so a client that leaves is
// noticed at once, also while its answer is being made, and the maker of the answer is notified.
// One timer per connection bounds each phase except answering, which ends because a reply always
// sends an answer. A head and an idle connection have a limit for the whole phase; a body and an
// answer (when streaming: each piece) may take as long as they make progress (transfer_pace).
// Between pieces the timer sends heartbeats.
//
// When connections, or the bytes for bodies or answers, run out, the server closes others: those
// idle longest, then slow ones.
//
// An answer above a few KiB reserves core's budget from its creation until it is sent. While such
// an answer is being sent, and while a receipt waits for the client's acknowledgement, answer_watch
// polls the connection ten times a second.
#pragma once

#include "runtime/http/answer_watch.hpp"
#include "runtime/http/gate_pass.hpp"
#include "runtime/http/head.hpp"
#include "runtime/http/http_date.hpp"
#include "runtime/http/listener.hpp"
#include "runtime/http/pieces_body.hpp"
#include "runtime/http/server.hpp"
#include "runtime/net/host_names.hpp"
#include "runtime/net/transfer_pace.hpp"

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <exception>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

namespace tayfa {

class http_core;

/// A resource that connections compete for.
enum class scarce : std::uint8_t { connections, bodies, answers };

class http_connection : public std::enable_shared_from_this<http_connection> {
 public:
  using socket = boost::asio::ip::tcp::socket;
  using error_code = boost::system::error_code;

  http_connection(http_core& core, socket s, bool only_health);

  /// Serves requests until the client or the server is done.
  void serve();
  /// Answers with 503 and closes: there are too many connections.
  void turn_away();
  /// The server stops: closes now, or after the open answer is sent.
  void finish();
  void close();
  void answer(std::uint64_t number, api::response response, receipt left, answer_place place);
  /// The answer could not be handed over for lack of memory: refuses or closes.
  void abandon(std::uint64_t number);
  /// Called by answer_watch. False when nothing is left to watch.
  bool look();
  /// Others need part of `what` this connection holds: ends it if it makes little progress.
  void give_way(scarce what);
  /// Gives up its place if idle for long enough. True when it has closed.
  bool leave_if_idle();

  /// The gate's decisions may have changed: ends open requests that are no longer allowed.
  void recheck_access();

  bool admitted() const { return admitted_; }
  bool only_health() const { return only_health_; }

  /// Set by core while the connection is idle: its place in the list of idle ones.
  std::optional<std::list<http_connection*>::iterator> idle_at;

  /// Wraps every handler: an exception (out of memory) ends its own request, not the thread.
  template <class Step>
  void guarded(Step step) {
    try {
      step();
    } catch (const std::exception&) {
      on_no_memory();
    }
  }

 private:
  enum class phase { idle, head, body, answering, writing, streaming, lingering, closed };
  enum class after { go_on, close };

  void on_no_memory();
  void pump();
  void on_read(error_code ec, std::size_t size);
  void on_end_of_stream();
  void advance();
  void next_request();
  void begin_idle();
  void scan_head();
  void read_head();
  void admit();
  tl::expected<api::route_match, api::response> read_target(std::string_view method,
                                                            std::string_view target) const;
  std::optional<error> refuse_stranger(std::string_view authority) const;
  std::optional<api::response> ask_gate(const api::route_match& asked);
  void begin_body(std::size_t limit);
  void refuse_head(const error&);
  void refuse_target(const error&);
  bool no_body() const { return parser_->is_done(); }
  bool send_continue();
  void feed_body();
  void release_body();
  void hand_over();
  void pass_on(api::call call, reply_ptr reply);
  reply_ptr make_reply();
  void refuse_large(std::string text);
  void refuse(const error& why) { respond(api::refuse(why), after::close); }
  void respond(api::response response, after then);
  void on_written(error_code ec);
  bool client_has_left();
  bool answer_was_taken();
  void give_receipt();
  void settle_awaited(bool certain);
  void watch_answer();
  void linger();
  void linger_on();
  std::optional<api::response> refuse_stream() const;
  void start_stream(api::response response);
  void send_next();
  void end_stream(bool early);
  void send_heartbeat();
  void append_piece(std::string_view text);
  void send_outgoing();
  void on_piece_sent(error_code ec);
  void release_stream();
  void give_up();
  void arm(milliseconds time);
  void arm_until(moment due);
  void wait_at_most(std::chrono::nanoseconds);
  void disarm();
  void on_deadline();
  void begin_transfer(std::uint64_t moved);
  void begin_taking();
  void note_moved(std::uint64_t all);
  bool note_taken();
  void arm_transfer();
  bool goes_on();
  bool stands_still(std::chrono::nanoseconds time) const;
  bool is_slow() const;
  void give_place_away();

  http_core& core_;
  const bool only_health_; ///< accepted at the health address
  socket socket_;
  boost::asio::steady_timer timer_;
  moment due_{};                   ///< when the timer fires, on the pod's clock
  moment since_{};                 ///< begin of idling, of lingering, or of the current head
  std::uint64_t timer_number_ = 0; ///< recognizes a deadline that fired for an earlier phase
  phase phase_ = phase::idle;
  std::vector<char> chunk_; ///< target of the outstanding read
  std::string pending_;     ///< received, not yet consumed
  bool reading_ = false;
  bool peer_done_ = false; ///< the client has closed its sending side
  bool keep_alive_ = false;
  bool only_head_wanted_ = false;
  bool openai_ = false; ///< the request is for OpenAI's API: refusals use its error format
  bool admitted_ = false;
  unsigned version_ = 11;
  std::uint64_t number_ = 0;         ///< of the request being answered
  std::shared_ptr<presence> client_; ///< while the request waits for its answer
  receipt receipt_;                  ///< of the answer being sent
  receipt awaited_;                  ///< of an answer that was sent, until it is acknowledged
  unsigned looks_awaited_ = 0;
  answer_place place_;       ///< of the answer being sent
  transfer_pace pace_;       ///< of the body being received or the answer being sent
  std::uint64_t moved_ = 0;  ///< bytes of the body, or acknowledged, at the latest look
  bool said_all_ = false;    ///< our sending side is closed
  std::size_t reserved_ = 0; ///< part of core's receiving_bytes
  std::size_t discarded_ = 0;
  head_scanner scanner_;
  std::shared_ptr<api::route> route_; ///< of the request, until it is parsed
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::optional<gate_pass> pass_; ///< of the request, until its answer is sent
  std::optional<boost::beast::http::response<pieces_body>> message_;
  std::shared_ptr<api::body_source> stream_; ///< until its body has ended
  std::string outgoing_;                     ///< framed head or pieces of the stream
  bool sending_ = false;                     ///< outgoing_ is being written and must not move
  bool chunked_ = false;
  bool waits_for_heartbeat_ = false; ///< the timer is set to the next heartbeat
};

class http_core : public std::enable_shared_from_this<http_core> {
 public:
  explicit http_core(http_options o);

  void open(std::function<void(result<std::string>)> done);
  void close(std::function<void()> done);
  void close_now();
  void forget(http_connection&);
  /// From now on an answer that finds no room in the budget makes core close connections whose
  /// clients do not read.
  void heed_refusals();
  void idle_begins(http_connection&);
  void idle_ends(http_connection&);
  /// Calls give_way() on all connections, unless that was done a moment ago.
  void ask_for(scarce what);
  /// Reserves part of receiving_bytes_max, shared by all bodies being received; false when it is
  /// used up.
  bool reserve(std::size_t bytes);
  void release(std::size_t bytes) { receiving_ -= bytes; }
  /// Thread safe. Sends the response for that request of that client within the budget, or a 503.
  void deliver(const std::weak_ptr<http_connection>& to, std::uint64_t number,
               api::response response, receipt left);
  void report(errc code, std::string text) const;
  /// An admitted request is open: core asks the gate periodically while there is one.
  void watch_access();
  /// Thread safe: runs `work` on the server's thread. After retire() it is dropped.
  template <class Work>
  void post(Work work) {
    const std::lock_guard lock{posting_};
    if (!retired_) {
      boost::asio::post(io, std::move(work));
    }
  }
  /// From now on post() drops its work.
  void retire();

  const http_options options;

 private:
  const system_time own_time_;

 public:
  const time_source& time; ///< times the clients
  const host_names hosts;  ///< hosts that are served while no key is needed
  http_dates dates;
  call_sink sink;
  bool closing = false;
  std::size_t streams = 0; ///< open streams
  std::size_t passes = 0;  ///< requests admitted by the gate whose answers are not sent yet
  std::string health_address;

 private:
  http_listener listener(bool only_health);
  result<std::string> listen();
  void stop_listening();
  void take(http_connection::socket s, bool only_health);
  void closed();
  void look_at_access();
  void make_place(bool only_health);

  byte_budget budget_; ///< options.answers: a shared handle
  std::mutex posting_;
  bool retired_ = false;
  std::size_t receiving_ = 0;
  bool watches_access_ = false;
  std::uint64_t access_version_ = 0; ///< of the gate, at the latest check of all open requests
  std::size_t admitted_ = 0;
  std::size_t health_admitted_ = 0;
  std::unordered_set<std::shared_ptr<http_connection>> connections_;
  /// By start of idling; connections of the health address are separate.
  std::array<std::list<http_connection*>, 2> idle_;
  std::array<moment, 3> next_ask_{}; ///< of each `scarce` resource
  std::vector<std::function<void()>> when_closed_;

 public:
  // Declared last, so destroyed first: handlers that still wait in it own connections, which refer
  // to the members above.
  boost::asio::io_context io{1};
  answer_watch watch{io, options.quiet};

 private:
  http_listener listener_ = listener(false);
  http_listener health_listener_ = listener(true);
  boost::asio::steady_timer close_deadline_{io};
  boost::asio::steady_timer access_timer_{io};
};

} // namespace tayfa

#include "runtime/http/server.hpp"

#include "runtime/http/address.hpp"
#include "runtime/http/connection.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <fcntl.h>
#include <pthread.h>

namespace tayfa {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr milliseconds accept_pause{100};
/// Connections beyond the limit that are being told so; more are dropped without a word.
constexpr std::size_t turned_away_max = 64;

bool out_of_resources(const boost::system::error_code& ec) {
  return ec == asio::error::no_descriptors || ec == asio::error::no_memory ||
         ec == asio::error::no_buffer_space ||
         ec == boost::system::errc::too_many_files_open_in_system;
}

} // namespace

// ---- http_core: on the server's thread ---------------------------------------------------------

http_core::http_core(http_options o) : options(std::move(o)) {}

void http_core::open(std::function<void(result<std::string>)> done) {
  if (acceptor_.is_open() || closing) {
    done(fail(errc::internal, "the HTTP server is open already"));
    return;
  }
  auto bound = listen();
  if (bound) {
    accept();
  } else {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  }
  done(std::move(bound));
}

result<std::string> http_core::listen() {
  const auto wanted = listen_endpoint(options.listen);
  if (!wanted) {
    return fail(wanted.error());
  }
  boost::system::error_code ec;
  acceptor_.open(wanted->protocol(), ec);
  if (!ec) {
    ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
    acceptor_.set_option(tcp::acceptor::reuse_address{true}, ec);
  }
  if (!ec) {
    acceptor_.bind(*wanted, ec);
  }
  if (!ec) {
    acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  }
  if (ec == asio::error::address_in_use) {
    return fail(errc::port_in_use, to_string(*wanted));
  }
  if (ec) {
    return fail(errc::io_error, "cannot listen on " + to_string(*wanted) + ": " + ec.message());
  }
  return to_string(acceptor_.local_endpoint());
}

void http_core::accept() {
  acceptor_.async_accept(
      [this](boost::system::error_code ec, tcp::socket s) { on_accept(ec, std::move(s)); });
}

void http_core::on_accept(boost::system::error_code ec, tcp::socket s) {
  if (!acceptor_.is_open()) {
    return;
  }
  if (out_of_resources(ec)) {
    // The connection still waits in the backlog: asking again at once would only spin.
    report(errc::io_error, "cannot accept: " + ec.message());
    pause_.expires_after(accept_pause);
    pause_.async_wait([this](boost::system::error_code cancelled) {
      if (!cancelled && acceptor_.is_open()) {
        accept();
      }
    });
    return;
  }
  if (!ec) {
    const bool room = admitted_ < options.connections_max;
    if (room || connections_.size() - admitted_ < turned_away_max) {
      const auto client = std::make_shared<http_connection>(*this, std::move(s));
      connections_.insert(client);
      admitted_ += room ? 1 : 0;
      room ? client->serve() : client->turn_away();
    }
  }
  accept();
}

void http_core::forget(http_connection& client) {
  admitted_ -= client.admitted() ? 1 : 0;
  connections_.erase(client.shared_from_this());
  if (closing && connections_.empty()) {
    closed();
  }
}

bool http_core::reserve(std::size_t bytes) {
  if (bytes > options.receiving_bytes_max - std::min(receiving_, options.receiving_bytes_max)) {
    return false;
  }
  receiving_ += bytes;
  return true;
}

void http_core::report(errc code, std::string text) const {
  if (options.trouble) {
    options.trouble({code, std::move(text)});
  }
}

void http_core::retire() {
  const std::lock_guard lock{posting_};
  retired_ = true;
}

void http_core::close(std::function<void()> done) {
  when_closed_.push_back(std::move(done));
  if (closing) {
    return;
  }
  closing = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  const std::vector<std::shared_ptr<http_connection>> all{connections_.begin(), connections_.end()};
  if (all.empty()) {
    closed();
    return;
  }
  close_deadline_.expires_after(options.close_grace);
  close_deadline_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) {
      close_now();
    }
  });
  for (const auto& client : all) {
    client->finish();
  }
}

void http_core::close_now() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  const std::vector<std::shared_ptr<http_connection>> all{connections_.begin(), connections_.end()};
  for (const auto& client : all) {
    client->close();
  }
}

void http_core::closed() {
  closing = false;
  close_deadline_.cancel();
  sink = nullptr;
  for (const auto& done : std::exchange(when_closed_, {})) {
    if (done) {
      done();
    }
  }
}

// ---- http_server: called from any thread -------------------------------------------------------

http_server::http_server(http_options options)
    : core_(std::make_shared<http_core>(std::move(options))) {
  // Signals are for the main thread: the new thread inherits a mask that blocks them all.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([core = core_] {
    pthread_setname_np(pthread_self(), "tayfa-http");
    const auto work = asio::make_work_guard(core->io);
    for (;;) {
      try {
        core->io.run();
        return;
      } catch (const std::exception&) {
        // Out of memory within one connection, most likely; its timer will end it, the others go
        // on.
        core->report(errc::internal, "an exception on the HTTP thread");
      }
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

http_server::~http_server() {
  core_->io.stop();
  thread_.join();
  core_->close_now();
  // What is queued still owns sockets, a connection accepted a moment ago for one, and replies that
  // are out there keep the core: let it all run, here, before everything is let go.
  core_->io.restart();
  core_->io.poll();
  core_->close_now();
  core_->retire();
  core_->io.poll();
  core_->sink = nullptr; // replies that are still out there keep the core, but not what it called
}

void http_server::open(call_sink sink, std::function<void(result<std::string>)> done) {
  asio::post(core_->io,
             [core = core_.get(), sink = std::move(sink), done = std::move(done)]() mutable {
               if (!core->closing) {
                 core->sink = std::move(sink);
               }
               core->open(std::move(done));
             });
}

void http_server::redirect(call_sink sink) {
  asio::post(core_->io, [core = core_.get(), sink = std::move(sink)]() mutable {
    core->sink = std::move(sink);
  });
}

void http_server::close(std::function<void()> done) {
  asio::post(core_->io, [core = core_.get(), done = std::move(done)]() mutable {
    core->close(std::move(done));
  });
}

} // namespace tayfa

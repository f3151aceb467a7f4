#include "runtime/http/server.hpp"

#include "runtime/http/connection.hpp"

#include <atomic>
#include <boost/asio/post.hpp>
#include <csignal>
#include <pthread.h>

namespace tayfa {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// ---- http_core: runs on the server's thread ----------------------------------------------------

http_core::http_core(http_options o)
    : options(std::move(o)), time(options.time != nullptr ? *options.time : own_time_),
      hosts(options.hosts), dates(time), budget_(options.answers) {}

void http_core::heed_refusals() {
  // Coalesces refusals: many in a row post once.
  budget_.on_refusal([core = weak_from_this(), noted = std::make_shared<std::atomic<bool>>(false)] {
    const auto open = core.lock();
    if (!open || noted->exchange(true)) {
      return;
    }
    open->post([core, noted] {
      noted->store(false);
      if (const auto still = core.lock()) {
        still->ask_for(scarce::answers);
      }
    });
  });
}

http_listener http_core::listener(bool only_health) {
  return {io, [this, only_health](tcp::socket s) { take(std::move(s), only_health); },
          [this](std::string text) { report(errc::io_error, std::move(text)); }};
}

void http_core::open(std::function<void(result<std::string>)> done) {
  if (listener_.is_open() || closing) {
    done(fail(errc::internal, "the HTTP server is open already"));
    return;
  }
  auto bound = listen();
  if (!bound) {
    stop_listening();
  }
  done(std::move(bound));
}

result<std::string> http_core::listen() {
  auto bound = listener_.listen(options.listen);
  if (!bound) {
    return bound;
  }
  if (!options.health_listen.empty()) {
    auto health = health_listener_.listen(options.health_listen);
    if (!health) {
      return health;
    }
    health_address = std::move(*health);
    health_listener_.start();
  }
  listener_.start();
  return bound;
}

void http_core::stop_listening() {
  listener_.close();
  health_listener_.close();
}

void http_core::take(tcp::socket s, bool only_health) {
  std::size_t& admitted = only_health ? health_admitted_ : admitted_;
  const std::size_t places = only_health ? options.health_connections_max : options.connections_max;
  if (admitted >= places) {
    make_place(only_health);
  }
  const bool room = admitted < places;
  if (!room && connections_.size() - admitted_ - health_admitted_ >= options.rejected_max) {
    return;
  }
  const auto client = std::make_shared<http_connection>(*this, std::move(s), only_health);
  connections_.insert(client);
  admitted += room ? 1 : 0;
  room ? client->serve() : client->turn_away();
}

void http_core::forget(http_connection& client) {
  watch.remove(client);
  (client.only_health() ? health_admitted_ : admitted_) -= client.admitted() ? 1 : 0;
  connections_.erase(client.shared_from_this());
  if (closing && connections_.empty()) {
    closed();
  }
}

bool http_core::reserve(std::size_t bytes) {
  const auto fits = [&] {
    return bytes <= options.receiving_bytes_max - std::min(receiving_, options.receiving_bytes_max);
  };
  if (!fits()) {
    ask_for(scarce::bodies);
  }
  if (!fits()) {
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
  stop_listening();
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
  stop_listening();
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

// ---- http_server: called from any thread ------------------------------------------------------

http_server::http_server(http_options options)
    : core_(std::make_shared<http_core>(std::move(options))) {
  core_->heed_refusals();
  // Only the main thread handles signals: the new thread inherits a mask that blocks them all.
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
        // Thrown outside of any connection, most likely by one that was just accepted.
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
  // Queued handlers still own sockets (of a connection accepted a moment ago, say), and open
  // replies keep the core alive: run them all here before everything is released.
  core_->io.restart();
  core_->io.poll();
  core_->close_now();
  core_->retire();
  core_->io.poll();
  core_->sink = nullptr; // open replies keep the core, but must not keep the sink's owner
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

std::string http_server::health_address() const {
  return core_->health_address;
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

#include "runtime/machine/machine_facts.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/base/wakeup.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <system_error>
#include <thread>
#include <vector>

namespace tayfa {

namespace {

using std::chrono::milliseconds;

struct addrinfo_deleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, addrinfo_deleter>;

/// A name service lookup, which cannot be cancelled: its thread shares this object and may outlive
/// the caller.
struct name_question {
  std::string host, port;
  addrinfo* found = nullptr;
  int failure = 0;
  std::atomic<bool> ended{false};
  unique_fd done = make_wakeup();
  ~name_question() {
    if (found != nullptr) {
      ::freeaddrinfo(found);
    }
  }
};

class dialler {
 public:
  dialler(const time_source& time, milliseconds timeout, int stop)
      : time_(time), deadline_(time_.now() + timeout), stop_(stop) {}

  result<milliseconds> dial(const net_target& target) {
    const moment begun = time_.now();
    const auto addresses = resolve(target);
    if (!addresses) {
      return fail(addresses.error());
    }
    error why{errc::unavailable, "no address"};
    for (const addrinfo* a = addresses->get(); a != nullptr; a = a->ai_next) {
      const auto connected = connect_to(*a);
      if (connected) {
        return std::chrono::duration_cast<milliseconds>(time_.now() - begun);
      }
      why = connected.error();
      if (why.code != errc::unavailable) {
        break; // out of time, or the caller no longer waits
      }
    }
    return fail(why);
  }

 private:
  /// Waits until `fd` is ready or the time is over.
  result<void> wait(int fd, short what) {
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(time_.until(deadline_)).count();
      pollfd polled[] = {{fd, what, 0}, {stop_, POLLIN, 0}};
      const int ready =
          left <= 0 ? 0
                    : ::poll(polled, 2, static_cast<int>(std::min<std::int64_t>(left, 600'000)));
      if ((ready < 0 && errno == EINTR) || (ready == 0 && left > 0)) {
        continue; // the pod's clock decides whether the time is over
      }
      if (ready <= 0) {
        return fail(errc::request_timeout, "no answer in time");
      }
      if (polled[1].revents != 0) {
        return fail(errc::stopping, "the runtime is stopping");
      }
      return {};
    }
  }

  result<address_list> resolve(const net_target& target) {
    const auto question = std::make_shared<name_question>();
    question->host = target.host;
    question->port = std::to_string(target.port);
    try {
      std::thread{[question] {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_NUMERICSERV;
        question->failure =
            ::getaddrinfo(question->host.c_str(), question->port.c_str(), &hints, &question->found);
        question->ended = true;
        wake_up(question->done);
      }}.detach();
    } catch (const std::system_error& e) {
      return fail(errc::unavailable, e.what());
    }
    if (const auto waited = wait(question->done.get(), POLLIN); !waited) {
      return fail(waited.error());
    }
    if (!question->ended || question->failure != 0 || question->found == nullptr) {
      return fail(errc::unavailable, ::gai_strerror(question->failure));
    }
    return address_list{std::exchange(question->found, nullptr)};
  }

  result<void> connect_to(const addrinfo& address) {
    const unique_fd socket{
        ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) {
      return fail(errc::unavailable, std::strerror(errno));
    }
    if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) {
      return {};
    }
    if (errno != EINPROGRESS) {
      return fail(errc::unavailable, std::strerror(errno));
    }
    if (auto waited = wait(socket.get(), POLLOUT); !waited) {
      return waited;
    }
    int failure = 0;
    socklen_t length = sizeof failure;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &length);
    return failure == 0 ? result<void>{} : fail(errc::unavailable, std::strerror(failure));
  }

  const time_source& time_;
  moment deadline_;
  int stop_;
};

} // namespace

std::optional<memory_facts> machine_facts::memory() {
  const auto room = read_memory_room(paths_);
  if (!room.available) {
    return std::nullopt;
  }
  return memory_facts{*room.available, room.total.value_or(0), room.container_left};
}

std::optional<disk_facts> machine_facts::disk(const std::string& folder) {
  struct statvfs about {};
  if (::statvfs(folder.c_str(), &about) != 0) {
    return std::nullopt;
  }
  return disk_facts{std::uint64_t{about.f_bavail} * about.f_frsize,
                    std::uint64_t{about.f_blocks} * about.f_frsize};
}

result<milliseconds> machine_facts::connect(const net_target& target, milliseconds timeout,
                                            int stop) {
  return dialler{time_, timeout, stop}.dial(target);
}

std::function<void(fitness_report&, int stop)> system_checks(system_limits limits,
                                                             const time_source& time) {
  return [limits = std::move(limits), &time](fitness_report& report, int stop) {
    machine_facts facts{time};
    add_system_rows(report, limits, facts, stop);
  };
}

} // namespace tayfa

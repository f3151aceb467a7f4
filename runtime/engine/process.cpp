#include "runtime/engine/process.hpp"

#include "runtime/engine/factories.hpp"
#include "runtime/engine/session.hpp"
#include "runtime/machine/slot_gpu.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.hpp>

namespace tayfa::engine {

namespace {

constexpr int high_water_mark = 1'000;
constexpr std::size_t unsent_bytes_max = std::size_t{256} << 20;
constexpr std::size_t unsent_frames_max = 100'000;
constexpr int messages_per_round = 64;

/// A message from this size on is handed over to the socket; a smaller one is cheaper to copy.
constexpr std::size_t handed_over = std::size_t{8} << 10;

class dealer_transport final : public transport {
 public:
  dealer_transport(zmq::context_t& context, const process_options& options)
      : socket_(context, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::routing_id, to_string(options.worker));
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, high_water_mark);
    socket_.set(zmq::sockopt::rcvhwm, high_water_mark);
    socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(link_message_bytes_max));
    socket_.connect(options.endpoint);
  }

  bool write(const link_message& message) override {
    if (message->size() < handed_over) {
      return socket_.send(zmq::buffer(*message), zmq::send_flags::dontwait).has_value();
    }
    zmq::message_t body{const_cast<char*>(message->data()), message->size(), // it only reads
                        [](void*, void* hint) { delete static_cast<link_message*>(hint); },
                        new link_message(message)};
    return socket_.send(body, zmq::send_flags::dontwait).has_value();
  }
  /// The next whole message, or nothing. Messages of several parts are none and are skipped.
  bool receive(zmq::message_t& message) {
    for (;;) {
      if (!socket_.recv(message, zmq::recv_flags::dontwait)) {
        return false;
      }
      if (!message.more()) {
        return true;
      }
      while (message.more() && socket_.recv(message)) {
      }
    }
  }
  void* handle() { return socket_.handle(); }

 private:
  zmq::socket_t socket_;
};

/// A runtime that reads nothing until this much waits is gone or broken; then the process ends
/// rather than drop a result.
bool overflowing(const link_state& link) {
  return link.unsent_bytes() > unsent_bytes_max || link.unsent() > unsent_frames_max;
}

memory_use memory_of_this_process() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  file >> all >> resident;
  return {resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)), 0};
}

int block_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

[[noreturn]] void crash_now() {
  std::fprintf(stderr, "tayfa-engine: crashing, as the script says\n");
  std::abort();
}

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

long wait_ms(const std::optional<moment>& until, moment now) {
  if (!until) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - now).count();
  return static_cast<long>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

int loop(session& s, dealer_transport& wire, const time_source& time, int signals) {
  zmq::message_t message;
  while (!s.done()) {
    const bool writing = s.link().wants_to_write();
    zmq::pollitem_t items[] = {
        {wire.handle(), 0, static_cast<short>(ZMQ_POLLIN | (writing ? ZMQ_POLLOUT : 0)), 0},
        {nullptr, signals, ZMQ_POLLIN, 0},
        {nullptr, s.wake_descriptor(), ZMQ_POLLIN, 0}};
    const std::size_t count = s.wake_descriptor() >= 0 ? 3 : 2;
    const auto timeout = wait_ms(s.next_wakeup(), time.now());
    if (zmq_poll(items, static_cast<int>(count), timeout) < 0 && zmq_errno() != EINTR) {
      std::fprintf(stderr, "tayfa-engine: zmq_poll: %s\n", zmq_strerror(zmq_errno()));
      return exit_broken;
    }
    if ((items[1].revents & ZMQ_POLLIN) != 0) {
      return 0;
    }
    s.flush();
    for (int i = 0; i < messages_per_round && !s.done() && wire.receive(message); ++i) {
      s.on_message({static_cast<const char*>(message.data()), message.size()});
    }
    s.wake(time.now());
    if (overflowing(s.link())) {
      std::fprintf(stderr, "tayfa-engine: the runtime does not read; giving up\n");
      return exit_broken;
    }
  }
  return 0;
}

} // namespace

bool follow_parent(pid_t parent) {
  if (parent == 0) {
    return true;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return ::getppid() == parent; // it may have died before the line above
}

std::string program_folder() {
  std::array<char, 4096> path{};
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string whole(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  return whole.substr(0, whole.rfind('/'));
}

int run_process(const process_options& options) {
  if (::getpgrp() != ::getpid()) {
    ::setpgid(0, 0);
  }
  if (options.engine.one_gpu) {
    see_only_own_gpu(options.worker.slot.value);
  }
  const int signals = block_signals();
  const system_time time;
  session_options session_settings;
  session_settings.pid = static_cast<std::uint32_t>(::getpid());
  session_settings.on_crash = crash_now;
  session_settings.memory = memory_of_this_process;
  const auto factory = factory_of(
      options.engine, {options.worker, program_folder(), variable, time}, session_settings);
  if (!factory) {
    std::fprintf(stderr, "tayfa-engine: %s\n", factory.error().text.c_str());
    return exit_usage;
  }
  try {
    zmq::context_t context{1};
    dealer_transport wire{context, options};
    session s{options.worker, *factory, wire, time, session_settings};
    s.open();
    const int code = loop(s, wire, time, signals);
    // A computation may be running and cannot be waited for; the kernel cleans up.
    std::fflush(nullptr);
    ::_exit(code);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tayfa-engine: %s\n", e.what());
    return exit_broken;
  }
}

} // namespace tayfa::engine

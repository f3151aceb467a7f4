#include "runtime/engine/process.hpp"

#include "runtime/engine/factories.hpp"
#include "runtime/engine/session.hpp"
#include "runtime/machine/slot_gpu.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
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
constexpr int frames_per_round = 64;

/// The socket, and frames that it would not accept yet. A runtime that reads nothing until the
/// backlog is full is gone or broken; then the process ends rather than drop a result.
class dealer_link final : public link {
 public:
  dealer_link(zmq::context_t& context, const process_options& options)
      : socket_(context, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::routing_id, to_string(options.worker));
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, high_water_mark);
    socket_.set(zmq::sockopt::rcvhwm, high_water_mark);
    socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(protocol::frame_bytes_max));
    socket_.connect(options.endpoint);
  }

  void send(std::string frame) override {
    unsent_bytes_ += frame.size();
    unsent_.push_back(std::move(frame));
    flush();
  }
  void flush() {
    while (!unsent_.empty() &&
           socket_.send(zmq::buffer(unsent_.front()), zmq::send_flags::dontwait)) {
      unsent_bytes_ -= unsent_.front().size();
      unsent_.pop_front();
    }
  }
  /// The next whole frame, or nothing. Messages of several parts are no frames and are skipped.
  bool receive(zmq::message_t& frame) {
    for (;;) {
      if (!socket_.recv(frame, zmq::recv_flags::dontwait)) {
        return false;
      }
      if (!frame.more()) {
        return true;
      }
      while (frame.more() && socket_.recv(frame)) {
      }
    }
  }
  bool waiting() const { return !unsent_.empty(); }
  bool overflowing() const {
    return unsent_bytes_ > unsent_bytes_max || unsent_.size() > unsent_frames_max;
  }
  void* handle() { return socket_.handle(); }

 private:
  zmq::socket_t socket_;
  std::deque<std::string> unsent_;
  std::size_t unsent_bytes_ = 0;
};

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

int loop(session& s, dealer_link& wire, const time_source& time, int signals) {
  zmq::message_t frame;
  while (!s.done()) {
    zmq::pollitem_t items[] = {
        {wire.handle(), 0, static_cast<short>(ZMQ_POLLIN | (wire.waiting() ? ZMQ_POLLOUT : 0)), 0},
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
    wire.flush();
    for (int i = 0; i < frames_per_round && !s.done() && wire.receive(frame); ++i) {
      s.on_frame({static_cast<const char*>(frame.data()), frame.size()});
    }
    s.wake(time.now());
    if (wire.overflowing()) {
      std::fprintf(stderr, "tayfa-engine: the runtime does not read; giving up\n");
      return exit_broken;
    }
  }
  return s.exit_code();
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
    dealer_link wire{context, options};
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

// The pod link's sockets beside a bare ROUTER and DEALER with the same payloads, in this process;
// and what an idle pod costs the head in memory.
//
// Throughput: both kinds alternate, and the ratio is that of the medians of all rounds. A round
// ends when the receiver has every message. Memory: 1,000 peers of one process connect to a head in
// another one, which prints how much it has grown for each.
#include "runtime/base/secrets.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/zmq_connector.hpp"
#include "runtime/pods_net/zmq_listener.hpp"
#include "runtime/telemetry/memory_log.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace tayfa;
using namespace tayfa::pods;

void need(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "pods_net_bench: %s\n", what);
    std::exit(1);
  }
}

key_pair new_keys() {
  system_secrets secrets;
  auto made = make_key_pair(secrets);
  need(made.has_value(), "no keys");
  return *made;
}

/// Counts to a number and lets another thread wait for it.
class counter {
 public:
  void add() {
    if (++count_ == wanted_) {
      const std::lock_guard guard{mutex_};
      reached_.notify_all();
    }
  }
  void expect(std::uint64_t more) { wanted_ = count_ + more; }
  void wait() {
    std::unique_lock guard{mutex_};
    reached_.wait(guard, [this] { return count_ >= wanted_; });
  }

 private:
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> wanted_{0};
  std::mutex mutex_;
  std::condition_variable reached_;
};

/// A ROUTER that its thread reads, and a DEALER; with CURVE behind the same ZAP handler.
class bare_pair {
 public:
  explicit bare_pair(bool curve) {
    const auto head = new_keys();
    const auto own = new_keys();
    if (curve) {
      zap_ = std::make_unique<zap_handler>(
          context_, time_, zap_handler::events{[](auto&, auto&) {}, [](auto&, bool) {}});
      auto list = std::make_shared<admitted>();
      list->keys.emplace(own.public_key, "");
      zap_->admit(list);
      router_.set(zmq::sockopt::zap_domain, curve_domain);
      router_.set(zmq::sockopt::curve_server, true);
      router_.set(zmq::sockopt::curve_secretkey, std::string{head.secret_key.reveal()});
      dealer_.set(zmq::sockopt::curve_serverkey, head.public_key);
      dealer_.set(zmq::sockopt::curve_publickey, own.public_key);
      dealer_.set(zmq::sockopt::curve_secretkey, std::string{own.secret_key.reveal()});
    }
    for (auto* socket : {&router_, &dealer_}) {
      socket->set(zmq::sockopt::linger, 0);
    }
    router_.bind("tcp://127.0.0.1:0");
    dealer_.connect(router_.get(zmq::sockopt::last_endpoint));
    reader_ = std::thread{[this] {
      try {
        for (;;) {
          zmq::message_t address;
          zmq::message_t body;
          need(router_.recv(address).has_value() && router_.recv(body).has_value(), "no message");
          arrived_.add();
        }
      } catch (const zmq::error_t&) {
        router_.close(); // the context has ended
      }
    }};
  }
  ~bare_pair() {
    dealer_.close();
    zap_.reset();
    context_->shutdown();
    reader_.join();
  }
  void send(const link_message& message, std::uint64_t count) {
    arrived_.expect(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      dealer_.send(zmq::buffer(*message));
    }
    arrived_.wait();
  }

 private:
  system_time time_;
  std::shared_ptr<zmq::context_t> context_ = std::make_shared<zmq::context_t>(1);
  std::unique_ptr<zap_handler> zap_;
  zmq::socket_t router_{*context_, zmq::socket_type::router};
  zmq::socket_t dealer_{*context_, zmq::socket_type::dealer};
  counter arrived_;
  std::thread reader_;
};

/// The listener and a connector.
class linked_pair {
 public:
  explicit linked_pair(bool curve) {
    const auto head = curve ? new_keys() : key_pair{};
    const auto own = curve ? new_keys() : key_pair{};
    auto list = std::make_shared<admitted>();
    list->keys.emplace(own.public_key, "");
    listener_.admit(list);
    const auto bound = listener_.open({"tcp://127.0.0.1:0", head}, [this](const listener_event& e) {
      if (std::holds_alternative<received>(e)) {
        arrived_.add();
      }
    });
    need(bound.has_value(), "the listener does not open");
    connected_.expect(1);
    connector_.connect({*bound, curve ? head.public_key : new_keys().public_key, own},
                       [this](const connector_event& e) {
                         need(!std::holds_alternative<connection_ended>(e), "not connected");
                         if (std::holds_alternative<connected>(e)) {
                           connected_.add();
                         } else if (std::holds_alternative<connection_writable>(e)) {
                           room_.add();
                         }
                       });
    connected_.wait();
  }
  void send(const link_message& message, std::uint64_t count) {
    arrived_.expect(count);
    for (std::uint64_t i = 0; i < count;) {
      room_.expect(1);
      const auto how = connector_.send(message);
      need(how != sent::gone, "the connection ended");
      if (how == sent::yes) {
        ++i;
      } else {
        room_.wait();
      }
    }
    arrived_.wait();
  }

 private:
  system_time time_;
  memory_log log_{time_};
  counter arrived_;
  counter connected_;
  counter room_;
  zmq_listener listener_{time_, log_};
  zmq_connector connector_{time_};
};

template <class Pair>
double messages_per_second(Pair& pair, const link_message& message, std::uint64_t count) {
  const auto begin = std::chrono::steady_clock::now();
  pair.send(message, count);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(count) / spent.count();
}

double median(std::vector<double>& all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

void measure_throughput(bool smoke) {
  const int rounds = smoke ? 3 : 21;
  const double round_seconds = smoke ? 0.01 : 0.2;
  for (const bool curve : {false, true}) {
    bare_pair bare{curve};
    linked_pair linked{curve};
    for (const std::size_t bytes :
         {std::size_t{1} << 10, std::size_t{64} << 10, std::size_t{256} << 10}) {
      const auto message = std::make_shared<const std::string>(bytes, 'x');
      const auto warm = messages_per_second(bare, message, 50);
      messages_per_second(linked, message, 50);
      const auto count =
          std::max<std::uint64_t>(50, static_cast<std::uint64_t>(warm * round_seconds));
      std::vector<double> bare_rates;
      std::vector<double> link_rates;
      for (int i = 0; i < rounds; ++i) {
        bare_rates.push_back(messages_per_second(bare, message, count));
        link_rates.push_back(messages_per_second(linked, message, count));
      }
      const double plain = median(bare_rates);
      const double link = median(link_rates);
      std::printf("{\"payload\": %zu, \"curve\": %s, \"bare_per_second\": %.0f, "
                  "\"link_per_second\": %.0f, \"ratio\": %.3f}\n",
                  bytes, curve ? "true" : "false", plain, link, link / plain);
    }
  }
}

// ---- memory -------------------------------------------------------------------------------------

std::size_t resident_kib() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  unsigned long resident = 0;
  need(file != nullptr && std::fscanf(file, "%lu %lu", &pages, &resident) == 2, "no statm");
  std::fclose(file);
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1'024;
}

/// `count` DEALERs with one key that say one thing each, and stay until the pipe is closed.
[[noreturn]] void be_peers(const std::string& endpoint, const std::string& head,
                           const key_pair& keys, int count, int until_closed) {
  zmq::context_t context;
  context.set(zmq::ctxopt::max_sockets, count + 8);
  std::vector<zmq::socket_t> all;
  for (int i = 0; i < count; ++i) {
    auto& s = all.emplace_back(context, zmq::socket_type::dealer);
    s.set(zmq::sockopt::linger, 0);
    s.set(zmq::sockopt::curve_serverkey, head);
    s.set(zmq::sockopt::curve_publickey, keys.public_key);
    s.set(zmq::sockopt::curve_secretkey, std::string{keys.secret_key.reveal()});
    s.connect(endpoint);
    s.send(zmq::str_buffer("here"));
  }
  char byte = 0;
  (void)!::read(until_closed, &byte, 1);
  std::_Exit(0);
}

/// Forks the peers, which wait for the endpoint; the head then grows while they connect.
template <class Head>
void measure_memory(const char* name, int peers) {
  const auto head_keys = new_keys();
  const auto keys = new_keys();
  int pipe[2];
  need(::pipe(pipe) == 0, "no pipe");
  const pid_t child = ::fork();
  need(child >= 0, "no process");
  if (child == 0) {
    ::close(pipe[1]);
    char endpoint[64] = {};
    need(::read(pipe[0], endpoint, sizeof endpoint - 1) > 0, "no endpoint");
    be_peers(endpoint, head_keys.public_key, keys, peers, pipe[0]);
  }
  ::close(pipe[0]);
  {
    Head head{head_keys, keys.public_key};
    const auto before = resident_kib();
    head.arrived.expect(static_cast<std::uint64_t>(peers));
    need(::write(pipe[1], head.endpoint.c_str(), head.endpoint.size()) > 0, "no child");
    head.arrived.wait();
    std::printf("{\"head\": \"%s\", \"peers\": %d, \"kib_per_peer\": %.1f}\n", name, peers,
                static_cast<double>(resident_kib() - before) / peers);
  }
  ::close(pipe[1]);
  ::waitpid(child, nullptr, 0);
}

struct listener_head {
  listener_head(const key_pair& keys, const std::string& peers) {
    auto list = std::make_shared<admitted>();
    list->keys.emplace(peers, "");
    listener.admit(list);
    const auto bound = listener.open({"tcp://127.0.0.1:0", keys}, [this](const listener_event& e) {
      if (std::holds_alternative<received>(e)) {
        arrived.add();
      }
    });
    need(bound.has_value(), "the listener does not open");
    endpoint = *bound;
  }
  static listener_limits wide() {
    listener_limits out;
    out.accepted = {.connections = 2'000, .unfinished = 2'000, .unfinished_per_address = 2'000};
    return out;
  }
  system_time time;
  memory_log log{time};
  counter arrived;
  std::string endpoint;
  zmq_listener listener{time, log, wide()};
};

struct bare_head {
  bare_head(const key_pair& keys, const std::string& peers)
      : zap{context, time, zap_handler::events{[](auto&, auto&) {}, [](auto&, bool) {}}} {
    auto list = std::make_shared<admitted>();
    list->keys.emplace(peers, "");
    zap.admit(list);
    router.set(zmq::sockopt::linger, 0);
    router.set(zmq::sockopt::zap_domain, curve_domain);
    router.set(zmq::sockopt::curve_server, true);
    router.set(zmq::sockopt::curve_secretkey, std::string{keys.secret_key.reveal()});
    router.bind("tcp://127.0.0.1:0");
    endpoint = router.get(zmq::sockopt::last_endpoint);
    reader = std::thread{[this] {
      try {
        for (zmq::message_t part;;) {
          need(router.recv(part).has_value() && router.recv(part).has_value(), "no message");
          arrived.add();
        }
      } catch (const zmq::error_t&) {
        router.close();
      }
    }};
  }
  ~bare_head() {
    zap.stop();
    context->shutdown();
    reader.join();
  }
  system_time time;
  std::shared_ptr<zmq::context_t> context = std::make_shared<zmq::context_t>(1);
  zap_handler zap;
  zmq::socket_t router{*context, zmq::socket_type::router};
  std::string endpoint;
  counter arrived;
  std::thread reader;
};

template <class Head>
void in_a_fresh_process(const char* name, int peers) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  need(child >= 0, "no process");
  if (child == 0) {
    measure_memory<Head>(name, peers);
    std::fflush(stdout);
    std::_Exit(0);
  }
  int status = 0;
  need(::waitpid(child, &status, 0) == child && status == 0, "the head failed");
}

} // namespace

int main(int argc, char** argv) {
  const bool smoke = argc > 1 && std::string_view{argv[1]} == "--smoke";
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const int peers = smoke ? 20 : 1'000;
  in_a_fresh_process<bare_head>("bare ROUTER", peers); // before this process has threads
  in_a_fresh_process<listener_head>("listener", peers);
  measure_throughput(smoke);
  return 0;
}

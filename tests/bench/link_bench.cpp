// Measures the link's cost per frame of the worker protocol, beside the codec alone.
//
// One exchange is what one job costs on an engine's connection: assign down, started and finished
// up, with a payload each way. Both kinds run alternately in this process, and the ratio is that of
// the medians of all rounds. There is no socket: a message that is written is read at once.
#include "runtime/link/link_state.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace tayfa;

constexpr worker_ref worker{slot_id{0}, 1};
constexpr double frames_per_exchange = 3;

struct job_messages {
  explicit job_messages(std::size_t payload)
      : assign{{job_id{"0123456789abcdef0123456789abcdef"}, 1},
               "model",
               shared_text{std::string(payload, 'i')}},
        started{assign.attempt} {
    finished.attempt = assign.attempt;
    finished.output = shared_text{std::string(payload, 'o')};
  }
  protocol::assign assign;
  protocol::started started;
  protocol::finished finished;
};

void need(bool holds) {
  if (!holds) {
    std::fprintf(stderr, "link_bench: a frame was lost or could not be read\n");
    std::exit(1);
  }
}

struct codec_alone {
  void exchange(const job_messages& job) {
    need(protocol::decode_downstream(protocol::encode(worker, protocol::downstream{job.assign}))
             .has_value());
    need(protocol::decode_upstream(protocol::encode(worker, protocol::upstream{job.started}))
             .has_value());
    need(protocol::decode_upstream(protocol::encode(worker, protocol::upstream{job.finished}))
             .has_value());
  }
};

struct with_link {
  with_link() {
    engine.connected(now);
    settle();
  }
  void exchange(const job_messages& job) {
    need(runtime.send(
        protocol::encode(worker, protocol::downstream{job.assign}, data_header_bytes)));
    move(runtime, engine);
    need(engine.send(protocol::encode(worker, protocol::upstream{job.started}, data_header_bytes)));
    move(engine, runtime);
    need(
        engine.send(protocol::encode(worker, protocol::upstream{job.finished}, data_header_bytes)));
    move(engine, runtime);
    move(runtime, engine); // acknowledgements
    need(frames % 3 == 0);
  }
  void settle() {
    for (int i = 0; i < 3; ++i) {
      move(engine, runtime);
      move(runtime, engine);
    }
  }
  void move(link_state& from, link_state& to) {
    from.flush(now, [&](const link_message& message) {
      const auto arrived = to.receive(*message, now);
      need(arrived.has_value());
      if (!arrived->frame.empty()) {
        ++frames;
        need(&to == &engine ? protocol::decode_downstream(arrived->frame).has_value()
                            : protocol::decode_upstream(arrived->frame).has_value());
      }
      return true;
    });
  }

  moment now{std::chrono::hours{1}};
  link_state engine{{.self = worker.incarnation, .peer = runtime_incarnation}};
  link_state runtime{{.self = runtime_incarnation, .peer = worker.incarnation}};
  std::uint64_t frames = 0;
};

template <class Kind>
double ns_per_frame(Kind& kind, const job_messages& job, int exchanges) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < exchanges; ++i) {
    kind.exchange(job);
  }
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
  return spent.count() / exchanges / frames_per_exchange;
}

double median(std::vector<double>& all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  const bool smoke = argc > 1 && std::string_view{argv[1]} == "--smoke";
  const int rounds = smoke ? 3 : 101;
  const double round_ns = smoke ? 1e5 : 2e7;
  for (const std::size_t payload : {0U, 100U, 1'024U, 65'536U, 1'048'576U}) {
    const job_messages job{payload};
    codec_alone plain;
    with_link linked;
    const auto warm = ns_per_frame(plain, job, 10) + ns_per_frame(linked, job, 10);
    const int exchanges = std::max(1, static_cast<int>(round_ns / (warm * frames_per_exchange)));
    std::vector<double> plain_ns;
    std::vector<double> linked_ns;
    for (int i = 0; i < rounds; ++i) {
      plain_ns.push_back(ns_per_frame(plain, job, exchanges));
      linked_ns.push_back(ns_per_frame(linked, job, exchanges));
    }
    const double codec = median(plain_ns);
    const double link = median(linked_ns);
    std::printf("{\"payload\": %zu, \"codec_ns\": %.0f, \"link_ns\": %.0f, \"ratio\": %.3f}\n",
                payload, codec, link, link / codec);
  }
  return 0;
}

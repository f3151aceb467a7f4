// Any answer of a platform, to a take and to the stop channel: what comes out is within its bounds,
// every input is JSON, and every id has a place in a URL.
#include "runtime/api/json_text.hpp"
#include "runtime/runpod_worker/contract.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <array>

using namespace tayfa;

namespace {

outgoing_answer answer_of(fuzz::choices& choose, std::string body) {
  constexpr std::array<unsigned, 8> statuses{200, 200, 200, 200, 204, 400, 429, 503};
  constexpr std::array<const char*, 4> types{"application/json", "application/json;charset=utf-8",
                                             "text/html", ""};
  outgoing_answer answer;
  answer.status = statuses[choose.below(statuses.size())];
  answer.headers.emplace_back("content-type", types[choose.below(16) < 12 ? 0 : choose.below(4)]);
  answer.headers.emplace_back("retry-after", body.substr(0, 12));
  answer.body = std::move(body);
  return answer;
}

void check_id(const std::string& id) {
  fuzz::require(!id.empty() && id.size() <= runpod::platform_id_max, "an id has its bounds");
  fuzz::require(std::none_of(id.begin(), id.end(),
                             [](char c) { return static_cast<unsigned char>(c) < 0x20; }),
                "an id has no control characters");
  fuzz::require(job_id::parse(runpod::local_id(id).str()).has_value(), "a local id is a job id");
  runpod::settings s;
  s.post_output = "http://h/done/$ID?x";
  const std::string url = runpod::result_call(s, id, false, "").url;
  fuzz::require(url.ends_with("?x&isStream=false"), "an id leaves the query alone");
  fuzz::require(std::count(url.begin(), url.end(), '/') == 4, "an id is one part of the path");
  fuzz::require(std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F; }),
                "a URL is visible ASCII");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::size_t head = 3;
  fuzz::choices choose{bytes, std::min(size, head)};
  const std::string body{reinterpret_cast<const char*>(bytes) + std::min(size, head),
                         size - std::min(size, head)};
  const outgoing_answer answer = answer_of(choose, body);

  const auto stop = runpod::read_stop(answer);
  fuzz::require((stop.kind == runpod::take_outcome::what::jobs) == !stop.ids.empty(),
                "ids to stop are recognised");
  for (const std::string& id : stop.ids) {
    check_id(id);
  }
  const auto taken = runpod::read_take(answer);
  fuzz::require((taken.kind == runpod::take_outcome::what::jobs) ==
                    (!taken.jobs.empty() || !taken.faulty.empty()),
                "jobs are recognised");
  for (const auto& job : taken.jobs) {
    check_id(job.id);
    fuzz::require(api::check_json(job.input.view()).has_value(), "an input is JSON");
    fuzz::require(job.s3_config.empty() || api::check_json(job.s3_config).has_value(),
                  "s3Config is JSON");
    const auto sent = runpod::output_body(job.input, false);
    fuzz::require(sent && api::check_json(*sent).has_value(), "an output makes a JSON body");
    const auto pieces = runpod::chunk_bodies(job.input);
    fuzz::require(!pieces || !pieces->empty(), "a chunk makes at least one body");
  }
  for (const auto& [id, why] : taken.faulty) {
    check_id(id);
    const std::string sent = runpod::error_body({}, why);
    fuzz::require(api::check_json(sent).has_value(), "an error makes a JSON body");
  }
  const auto post = runpod::read_post(answer);
  fuzz::require(post.kind == runpod::post_outcome::what::again || post.pause.count() == 0,
                "only a post that is tried again waits");
  return 0;
}

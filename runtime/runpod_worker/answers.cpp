#include "runtime/runpod_worker/contract.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/api/json_walk.hpp"
#include "runtime/api/policy.hpp"
#include "runtime/base/words.hpp"

#include <algorithm>
#include <charconv>

namespace tayfa::runpod {

namespace {

constexpr milliseconds busy_pause{5'000};
constexpr milliseconds asked_pause_max{300'000};
constexpr std::size_t s3_config_max = std::size_t{16} << 10;
constexpr std::size_t remarks_most = 16;

using outcome = take_outcome::what;

std::string_view header_of(const outgoing_answer& answer, std::string_view name) {
  const auto found = std::find_if(answer.headers.begin(), answer.headers.end(),
                                  [name](const auto& field) { return field.first == name; });
  return found == answer.headers.end() ? std::string_view{} : std::string_view{found->second};
}

/// Retry-After in seconds; 0 for a date, because nothing here depends on the wall clock.
milliseconds retry_after(const outgoing_answer& answer) {
  const std::string_view text = header_of(answer, "retry-after");
  std::uint32_t seconds = 0;
  const auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (rest != text.data() + text.size() || text.empty()) {
    return milliseconds{0};
  }
  const bool too_many = ec != std::errc{};
  return too_many ? asked_pause_max
                  : std::min<milliseconds>(std::chrono::seconds{seconds}, asked_pause_max);
}

bool is_json(const outgoing_answer& answer) {
  const std::string_view type = header_of(answer, "content-type");
  return text::iequals(text::trimmed(type.substr(0, type.find(';')), " \t"), "application/json");
}

std::string status_text(const outgoing_answer& answer) {
  return "status " + std::to_string(answer.status);
}

/// Result of judging an answer before its body is read; common to both polls.
struct verdict {
  outcome kind = outcome::none;
  milliseconds pause{0};
  std::string remark;
  bool has_body = false; ///< a 2xx answer whose body may be JSON
};

verdict judge_failure(const error& e) {
  const bool ordinary =
      e.code == errc::request_timeout || e.code == errc::cancelled || e.code == errc::stopping;
  return {
      ordinary ? outcome::none : outcome::broken, {}, ordinary ? std::string{} : e.str(), false};
}

verdict judge(const outgoing_answer& answer) {
  const unsigned status = answer.status;
  const milliseconds asked = retry_after(answer);
  if (status == 204) {
    return {};
  }
  if (status == 400) { // RunPod sends it to a pod that it is about to freeze; not worth a remark
    return {outcome::slow, asked, {}, false};
  }
  if (status == 429) {
    return {outcome::busy, asked.count() > 0 ? asked : busy_pause, {}, false};
  }
  if (status >= 500 || status < 200) {
    return {outcome::broken, asked, status_text(answer), false};
  }
  if (status >= 300) {
    return {outcome::slow, asked, status_text(answer), false};
  }
  if (answer.body.empty()) {
    return {};
  }
  if (answer.body.size() > take_bytes_max) {
    return {outcome::slow, {}, "the answer has more than 24 MiB", false};
  }
  if (!is_json(answer)) {
    return {outcome::slow, {}, "the answer is not of the type application/json", false};
  }
  return {outcome::none, {}, {}, true};
}

/// True for an id that can be part of a URL path: no control characters, not "." or "..".
bool is_usable(std::string_view id) {
  if (id.empty() || id == "." || id == "..") {
    return false;
  }
  for (std::size_t i = 0; i < id.size(); ++i) {
    const auto c = static_cast<unsigned char>(id[i]);
    const bool c1 = c == 0xC2 && i + 1 < id.size() && static_cast<unsigned char>(id[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || c1) {
      return false;
    }
  }
  return true;
}

/// Parses an id. The value need not have been checked.
std::optional<std::string> id_of(std::string_view value) {
  if (!value.starts_with('"') || value.size() > platform_id_max * 6 + 2 ||
      !api::check_json(value)) {
    return std::nullopt;
  }
  auto id = api::json_string(value, platform_id_max);
  return id && is_usable(*id) ? std::move(id) : std::nullopt;
}

/// A job's members as ranges of the answer; of a repeated key the last counts, as in Python.
struct job_members {
  std::string_view id, input, policy, s3_config;
};

job_members members_of(std::string_view object) {
  job_members out;
  const auto take = [&out](std::string_view key, std::string_view value) {
    const auto name = api::check_json(key) ? api::json_string(key, 16) : std::nullopt;
    if (name == "id") {
      out.id = value;
    } else if (name == "input") {
      out.input = value;
    } else if (name == "policy") {
      out.policy = value;
    } else if (name == "s3Config") {
      out.s3_config = value;
    }
  };
  api::json_walker walk{object};
  walk.step(); // the brace
  walk.skip_space();
  while (walk.at('"')) {
    const std::string_view key = walk.value();
    walk.skip_space();
    walk.step(); // the colon
    walk.skip_space();
    take(key, walk.value());
    walk.skip_space();
    if (walk.at(',')) {
      walk.step();
      walk.skip_space();
    }
  }
  return out;
}

/// The elements of the array `text`, or `text` itself when it is no array. Empty when it is
/// incomplete: nothing of it is used, since the lost part is unknown. The elements are not checked
/// yet, so that a broken one spoils no other.
std::optional<std::vector<std::string_view>> elements_of(std::string_view text) {
  api::json_walker walk{text};
  walk.skip_space();
  std::vector<std::string_view> elements;
  const bool list = walk.at('[');
  if (!list) {
    elements.push_back(walk.value());
  } else {
    walk.step();
    walk.skip_space();
    bool more = !walk.at(']');
    while (more) {
      elements.push_back(walk.value());
      walk.skip_space();
      more = walk.at(',');
      if (more || walk.at(']')) {
        walk.step();
        walk.skip_space();
      } else {
        return std::nullopt;
      }
      if (elements.back().empty()) {
        return std::nullopt;
      }
    }
    if (elements.empty()) {
      walk.step();
    }
  }
  walk.skip_space();
  return walk.whole() && walk.at_end() ? std::optional{std::move(elements)} : std::nullopt;
}

class take_reader {
 public:
  explicit take_reader(std::string body) : body_(std::move(body)) {}

  take_outcome read() {
    const auto elements = elements_of(body_);
    if (!elements) {
      return odd("the answer is not valid JSON");
    }
    if (elements->empty() || (elements->size() == 1 && elements->front() == "null")) {
      return {};
    }
    for (std::size_t i = 0; i < elements->size() && i < batch_most; ++i) {
      read_element((*elements)[i]);
    }
    if (elements->size() > batch_most) {
      remark(std::to_string(elements->size() - batch_most) + " jobs too many were not looked at");
    }
    keep_inputs();
    out_.kind = out_.jobs.empty() && out_.faulty.empty() ? outcome::slow : outcome::jobs;
    return std::move(out_);
  }

 private:
  static take_outcome odd(std::string what) {
    take_outcome out;
    out.kind = outcome::slow;
    out.remarks.push_back(std::move(what));
    return out;
  }

  void remark(std::string text) {
    if (out_.remarks.size() < remarks_most) {
      out_.remarks.push_back(std::move(text));
    }
  }

  void read_element(std::string_view element) {
    const auto valid = api::check_json(element);
    if (!element.starts_with('{')) {
      remark(valid ? "a job is no object" : "a job is not valid JSON: " + valid.error().text);
      return;
    }
    const job_members members = members_of(element);
    auto id = id_of(members.id);
    if (!id) {
      remark(members.id.empty() ? "a job without an id" : "a job with an id that is none");
      return;
    }
    if (seen(*id)) {
      remark("the same job twice in one answer");
      return;
    }
    ids_.push_back(*id);
    if (!valid) {
      out_.faulty.emplace_back(std::move(*id), valid.error());
    } else if (members.input.empty()) {
      out_.faulty.emplace_back(std::move(*id),
                               error{errc::bad_request, "the job has no member input"});
    } else {
      take_job(std::move(*id), members);
    }
  }

  bool seen(const std::string& id) const {
    return std::find(ids_.begin(), ids_.end(), id) != ids_.end();
  }

  void take_job(std::string id, const job_members& members) {
    taken_job job;
    job.id = std::move(id);
    if (!members.policy.empty() && members.policy != "null") {
      if (auto policy = api::policy_of(members.policy)) {
        job.policy = std::move(*policy);
        // The platform deduplicates submissions: each of its ids needs an answer.
        job.policy.idempotency_key.clear();
      } else {
        remark("a job's policy was not understood: " + policy.error().text);
      }
    }
    if (members.s3_config.starts_with('{') && members.s3_config.size() <= s3_config_max) {
      job.s3_config = members.s3_config;
    } else if (!members.s3_config.empty() && members.s3_config != "null") {
      remark("a job's s3Config is no object of at most 16 KiB");
    }
    inputs_.push_back(members.input);
    out_.jobs.push_back(std::move(job));
  }

  /// A single job takes over the body's storage: twenty megabytes of base64 are moved within it,
  /// not copied. Several jobs get copies.
  void keep_inputs() {
    if (inputs_.size() == 1) {
      const auto begin = static_cast<std::size_t>(inputs_.front().data() - body_.data());
      body_.resize(begin + inputs_.front().size());
      body_.erase(0, begin);
      if (body_.size() < body_.capacity() / 2) {
        body_.shrink_to_fit(); // a small input must not keep the memory of a large answer
      }
      out_.jobs.front().input = shared_text{std::move(body_)};
      return;
    }
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      out_.jobs[i].input = shared_text{std::string{inputs_[i]}};
    }
  }

  std::string body_;
  take_outcome out_;
  std::vector<std::string> ids_;
  std::vector<std::string_view> inputs_; ///< of out_.jobs, as ranges of body_
};

} // namespace

take_outcome read_take(result<outgoing_answer> answer) {
  verdict v = answer ? judge(*answer) : judge_failure(answer.error());
  if (v.has_body) {
    return take_reader{std::move(answer->body)}.read();
  }
  take_outcome out;
  out.kind = v.kind;
  out.pause = v.pause;
  if (!v.remark.empty()) {
    out.remarks.push_back(std::move(v.remark));
  }
  return out;
}

namespace {

/// The elements of the list `jobsToStop`; empty, with a remark, when there is no such list.
std::optional<std::vector<std::string_view>> stop_list(std::string_view body, stop_outcome& out) {
  if (const auto valid = api::check_json(body); !valid) {
    out.remark = "the answer is not valid JSON: " + valid.error().text;
    return std::nullopt;
  }
  const auto members = api::json_members(body);
  if (!members) {
    out.remark = members.error().text;
    return std::nullopt;
  }
  const auto found = std::find_if(members->begin(), members->end(),
                                  [](const auto& m) { return m.key == "jobsToStop"; });
  if (found == members->end()) {
    return std::vector<std::string_view>{};
  }
  if (!found->value.starts_with('[')) {
    out.remark = "jobsToStop is no list";
    return std::nullopt;
  }
  return elements_of(found->value);
}

} // namespace

stop_outcome read_stop(const result<outgoing_answer>& answer) {
  verdict v = answer ? judge(*answer) : judge_failure(answer.error());
  stop_outcome out;
  out.kind = v.kind;
  out.pause = v.pause;
  out.remark = std::move(v.remark);
  if (!v.has_body) {
    return out;
  }
  const auto elements = stop_list(answer->body, out);
  if (!elements) {
    out.kind = outcome::slow;
    return out;
  }
  for (const std::string_view element : *elements) {
    if (auto id = id_of(element)) {
      out.ids.push_back(std::move(*id));
    }
  }
  if (const std::size_t dropped = elements->size() - out.ids.size(); dropped > 0) {
    out.remark = std::to_string(dropped) + " of the ids to stop are none";
  }
  if (!elements->empty()) {
    out.kind = out.ids.empty() ? outcome::slow : outcome::jobs;
  }
  return out;
}

post_outcome read_post(const result<outgoing_answer>& answer) {
  using what = post_outcome::what;
  if (!answer) {
    // A call that cannot be made now cannot be made later either.
    const bool malformed = answer.error().code == errc::bad_request;
    return {malformed ? what::refused : what::again, {}, answer.error().str()};
  }
  const unsigned status = answer->status;
  if (status >= 200 && status < 300) {
    return {what::accepted, {}, status_text(*answer)};
  }
  const bool hopeless =
      status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
  return hopeless ? post_outcome{what::refused, {}, status_text(*answer)}
                  : post_outcome{what::again, retry_after(*answer), status_text(*answer)};
}

namespace {

milliseconds doubled(milliseconds first, std::uint32_t times, milliseconds most) {
  milliseconds pause = first;
  for (std::uint32_t i = 1; i < times && pause < most; ++i) {
    pause *= 2;
  }
  return std::min(pause, most);
}

} // namespace

milliseconds take_pause(std::uint32_t failures) {
  return doubled(milliseconds{100}, failures, milliseconds{5'000});
}

milliseconds post_pause(std::uint32_t tries) {
  return doubled(milliseconds{500}, tries, milliseconds{30'000});
}

} // namespace tayfa::runpod

// A RunPod pod's environment, and answers, as the tests of this folder need them.
#pragma once

#include "runtime/runpod_worker/contract.hpp"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::runpod::samples {

inline std::vector<std::string> environment() {
  return {"PATH=/usr/bin",
          "RUNPOD_WEBHOOK_GET_JOB=https://api.runpod.ai/v2/ep1/job-take/$ID?gpu=RTX",
          "RUNPOD_WEBHOOK_POST_OUTPUT="
          "https://api.runpod.ai/v2/ep1/job-done/$RUNPOD_POD_ID/$ID?gpu=RTX",
          "RUNPOD_WEBHOOK_POST_STREAM="
          "https://api.runpod.ai/v2/ep1/job-stream/$RUNPOD_POD_ID/$ID?gpu=RTX",
          "RUNPOD_WEBHOOK_PING=https://api.runpod.ai/v2/ep1/ping/$RUNPOD_POD_ID?gpu=RTX",
          "RUNPOD_PING_INTERVAL=4000",
          "RUNPOD_POD_ID=w1",
          "RUNPOD_AI_API_KEY=rpa_KEY",
          "RUNPOD_ENDPOINT_ID=ep1",
          "RUNPOD_POD_HOSTNAME=w1-6441"};
}

/// The environment with "NAME=value" instead of the entry of that name, or without it: "NAME".
inline std::vector<std::string> environment_but(std::initializer_list<std::string> changes) {
  std::vector<std::string> out = environment();
  for (const std::string& change : changes) {
    const std::string name = change.substr(0, change.find('='));
    std::erase_if(out, [&name](const std::string& e) { return e.starts_with(name + "="); });
    if (change.size() > name.size()) {
      out.push_back(change);
    }
  }
  return out;
}

inline settings settings_of(const std::vector<std::string>& entries) {
  return settings_from(entries, "made-up").value().value();
}

inline outgoing_answer answer(unsigned status, std::string body,
                              std::string type = "application/json") {
  outgoing_answer out;
  out.status = status;
  out.body = std::move(body);
  if (!type.empty()) {
    out.headers.emplace_back("content-type", std::move(type));
  }
  return out;
}

inline outgoing_answer answer_after(unsigned status, std::string retry_after) {
  outgoing_answer out = answer(status, "");
  out.headers.emplace_back("retry-after", std::move(retry_after));
  return out;
}

} // namespace tayfa::runpod::samples

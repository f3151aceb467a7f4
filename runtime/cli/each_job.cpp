#include "runtime/cli/each_job.hpp"

#include "runtime/cli/answer.hpp"
#include "runtime/cli/job_pages.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace tayfa {

namespace json = boost::json;

namespace {

pod_client::answer act(const pod_client& pod, const job_id& id, job_action action) {
  switch (action) {
  case job_action::cancel: return pod.cancel(id);
  case job_action::retry: return pod.retry(id);
  case job_action::drop: return pod.drop(id);
  }
  return tl::unexpected(command_error{});
}

/// The chosen ids. The dead list is read whole first, since acting on one job moves the others.
command_result<std::vector<job_id>> chosen(const pod_client& pod, const job_choice& choice) {
  if (!choice.dead) {
    return parsed_ids(choice.ids);
  }
  std::vector<job_id> ids;
  job_pages pages{pod, job_pages::list::dead, {}};
  while (!pages.done()) {
    const auto page = pages.next(0);
    if (!page) {
      return tl::unexpected(page.error());
    }
    for (const auto& each : page->jobs) {
      ids.push_back(each.id);
    }
  }
  return ids;
}

/// A cancel that came too late is answered with the job's final state.
bool took(job_action action, job_state state) {
  return action != job_action::cancel || state == job_state::CANCELLED;
}

} // namespace

int for_each_job(const target_options& at, const job_choice& choice, job_action action) {
  const pod_client pod = at.client();
  const auto ids = chosen(pod, choice);
  if (!ids) {
    return complain(ids.error());
  }
  const bool single = !choice.dead && ids->size() == 1;
  int code = exit_ok;
  json::array done;
  for (const auto& id : *ids) {
    auto answer = act(pod, id, action);
    const auto job = read_answer(api::job_state_fields, answer);
    if (!job) {
      code = code == exit_ok ? job.error().exit_code : code;
      complain(job.error());
      done.push_back(json::object{{"id", id.str()}, {"error", job.error().text}});
      if (job.error().exit_code == exit_unavailable) {
        break;
      }
      continue;
    }
    code = code == exit_ok && !took(action, job->state) ? exit_failed : code;
    if (!at.json) {
      const std::string state{to_string(job->state)};
      print(id.str() + ' ' + (action == job_action::drop ? "dropped" : state) + '\n');
    } else if (single) {
      print_json(answer->text);
    }
    done.push_back(std::move(answer->body));
  }
  if (at.json && !single) {
    print_json(json::serialize(json::object{{"jobs", std::move(done)}}));
  } else if (!at.json && choice.dead && ids->empty()) {
    print("no dead jobs\n");
  }
  return code;
}

} // namespace tayfa

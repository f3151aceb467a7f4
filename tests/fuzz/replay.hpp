// The fuzz target that a replay program feeds; its CMake function defines both.
#pragma once

namespace tayfa::fuzz {

extern const char* const target_name;
extern const char* const corpus_folder;

} // namespace tayfa::fuzz

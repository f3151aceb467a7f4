# The three shapes of target that rooms declare. Flags live here and nowhere else.
add_library(tayfa_flags INTERFACE)
target_include_directories(tayfa_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(tayfa_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wswitch-enum -fno-omit-frame-pointer
  $<$<BOOL:${TAYFA_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms of g++ 12 about std::string's own code (GCC bug 105651).
  target_compile_options(tayfa_flags INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A compiler that may use half a gigabyte before it collects garbage is done a fifth sooner with tests.
  target_compile_options(tayfa_flags INTERFACE "SHELL:--param ggc-min-heapsize=524288")
endif()
if(TAYFA_SANITIZE)
  # Instrumented code gives the optimiser's uninitialised-use warnings false ground.
  target_compile_options(tayfa_flags INTERFACE -Wno-maybe-uninitialized)
  target_compile_options(tayfa_flags INTERFACE -fsanitize=${TAYFA_SANITIZE} -fno-sanitize-recover=all)
  if(TAYFA_SANITIZE MATCHES "undefined")
    # caf/detail/init_fun_factory.hpp binds a reference to null when a function actor takes no argument.
    target_compile_options(tayfa_flags INTERFACE -fno-sanitize=null)
  endif()
  target_link_options(tayfa_flags INTERFACE -fsanitize=${TAYFA_SANITIZE})
endif()

# tayfa_precompiled(NAME): for a target with precompiled headers. Without the option ccache keeps none of its objects.
function(tayfa_precompiled name)
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endfunction()

# tayfa_headers(NAME HEADERS … [LINKS …] [PROGRAMS]): headers that are precompiled once, for the libraries that name them, or
# with PROGRAMS for programs (-fPIE is not -fPIC). NAME defines no macro that its users lack: a user may define more, not less.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/headers.cpp CONTENT "\n")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/headers_program.cpp CONTENT "int main() {}\n")
function(tayfa_headers name)
  cmake_parse_arguments(arg "PROGRAMS" "" "HEADERS;LINKS" ${ARGN})
  if(arg_PROGRAMS)
    add_executable(${name} EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/headers_program.cpp)
  else()
    add_library(${name} STATIC EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/headers.cpp)
  endif()
  target_link_libraries(${name} PRIVATE ${arg_LINKS} tayfa_flags)
  target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
  tayfa_precompiled(${name})
endfunction()

# tayfa_precompiled_by(NAME HEADERS_TARGET): NAME's files read the headers that this target precompiles.
function(tayfa_precompiled_by name headers)
  target_precompile_headers(${name} REUSE_FROM ${headers})
  tayfa_precompiled(${name})
endfunction()

# What nearly every file of the product reads. Nothing of ours is in it, so no change of ours makes it anew.
set(TAYFA_COMMON_HEADERS <algorithm> <array> <charconv> <chrono> <cstdint> <deque> <filesystem> <functional> <map> <memory>
  <mutex> <optional> <set> <string> <string_view> <tl/expected.hpp> <unordered_map> <utility> <variant> <vector>)
tayfa_headers(tayfa_common_headers HEADERS ${TAYFA_COMMON_HEADERS} LINKS tl::expected)
tayfa_headers(tayfa_json_headers HEADERS ${TAYFA_COMMON_HEADERS} <boost/json.hpp> LINKS tl::expected Boost::json)

# tayfa_library(NAME SOURCES … [LINKS …] [HEADERS TARGET]): a static library of one room. HEADERS: whose precompiled headers
# its files read instead of the common ones; NONE: none, the room declares its own.
function(tayfa_library name)
  cmake_parse_arguments(arg "" "HEADERS" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_LINKS} PRIVATE tayfa_flags)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  if(NOT arg_HEADERS)
    set(arg_HEADERS tayfa_common_headers)
  endif()
  if(NOT arg_HEADERS STREQUAL "NONE")
    tayfa_precompiled_by(${name} ${arg_HEADERS})
  endif()
endfunction()

# tayfa_test(NAME SOURCES … [LINKS …] [LABELS …] [HEADERS …] [OPTIMISED] [WHOLE]): a GoogleTest program; each TEST becomes a ctest
# test. HEADERS: of the tests' own, which most of SOURCES include; they are precompiled. OPTIMISED: for tests that compute so
# long that -O1 saves more than it costs (such files read no precompiled header: it would have to be a second one). With WHOLE the program is one ctest test:
# its TESTs share something that takes long to start. It counts as skipped when all of them were.
function(tayfa_test name)
  cmake_parse_arguments(arg "WHOLE;OPTIMISED" "TIMEOUT" "SOURCES;LINKS;LABELS;HEADERS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_LINKS} tayfa_places tayfa_flags GTest::gtest GTest::gmock GTest::gtest_main)
  if(arg_OPTIMISED)
    target_compile_options(${name} PRIVATE -O1)
  elseif(arg_HEADERS)
    target_precompile_headers(${name} PRIVATE ${TAYFA_TEST_HEADERS} ${arg_HEADERS})
    tayfa_precompiled(${name})
  else()
    tayfa_precompiled_by(${name} tayfa_test_headers)
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(arg_WHOLE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
      SKIP_REGULAR_EXPRESSION "\\[  PASSED  \\] 0 tests")
    return()
  endif()
  # A parameter's printed value may hold addresses, and a test's name must be the same in every run.
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# Sourced by the scripts beside it: which python3 they use.
python_least=3.10

# The first python3 that is new enough and can make a virtual environment.
find_python() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" - "$python_least" <<'PYTHON' >/dev/null 2>&1; then
import ensurepip, sys, venv
sys.exit(sys.version_info[:2] < tuple(int(part) for part in sys.argv[1].split(".")))
PYTHON
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

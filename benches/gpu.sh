#!/usr/bin/env bash
# What is checked on a machine with a GPU, in about five minutes; docs/gpu.md holds what it printed.
#
#   benches/gpu.sh BUNDLE [LOG]      BUNDLE as tools/gpu-bundle made it; python3 has torch 2.11 with CUDA
#
# Every part runs, also behind one that fails; the exit code is the number of those that failed.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bundle=$(realpath "$1")
exec > >(tee "${2:-/dev/null}") 2>&1
work=$(mktemp -d)
tar -C "$work" -xJf "$bundle/binaries.tar.xz"
spatia=$work/spatia failed=0
python3 -m pip install -q --no-index --no-deps --no-compile --target "$work/site" "$bundle"/wheels/*.whl || failed=1
export PYTHONPATH=$work/site PYTHONUNBUFFERED=1
export LD_LIBRARY_PATH=$(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
export SPATIA_TEST_DEVICE=cuda SPATIA_TEST_DATA=$bundle/shared/data SPATIA_REQUIRE_DATA=1 CARGO_MANIFEST_DIR=$PWD
export SPATIA_TEST_PYTHON=$(command -v python3) SPATIA_REQUIRE_PYTHON=1

part() { # NAME SECONDS COMMAND...: at most so long
    local name=$1 most=$2 start=$SECONDS; shift 2
    printf '\n== %s\n' "$name"
    timeout -k 5 "$most" "$@"
    local code=$?
    [ $code = 0 ] || { failed=$((failed + 1)); echo "FAILED: exit code $code"; }
    echo "-- $((SECONDS - start)) s"
}

sums() { (cd "$1/image_guided_gvae" && sha256sum ./*.npy | cut -c1-16,65-); }

twice() { # SCRIPT and options: the same seed gives the same bytes
    for i in 1 2; do
        "$spatia" run "$@" --output "$work/run$i" > "$work/said$i" 2>&1 || { cat "$work/said$i"; return 1; }
    done
    tail -n 2 "$work/said2"
    python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(r["results"]["timings"], r.get("device", ""))' "$work/run2/image_guided_gvae/run.json"
    diff <(sums "$work/run1") <(sums "$work/run2") && sums "$work/run1"
}

refused() { # WORDS COMMAND...: fails, and says so in these words
    local words=$1; shift
    "$@" > "$work/said" 2>&1 && { echo "it was not refused"; return 1; }
    cat "$work/said"
    grep -q "$words" "$work/said"
}

crowded() { # little memory left on the device: training is refused it, and the session goes on
    python3 -c '
import time, torch
held = torch.empty(int(torch.cuda.mem_get_info()[0] - 3e9), dtype=torch.uint8, device="cuda")
print("held", flush=True)
time.sleep(100)' > "$work/holder" & local holder=$!
    for _ in $(seq 200); do grep -q held "$work/holder" && break; sleep 0.1; done
    "$spatia" run benches/gpu_crowded.rhai; local code=$?
    kill $holder; wait $holder 2>/dev/null
    return $code
}

export -f sums twice refused crowded
export work spatia
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
python3 -c 'import torch; print("torch", torch.__version__)'
part "spatia info" 60 "$spatia" info
part "networks against the reference, on CUDA" 120 "$work/tests" --nocapture --test-threads 1 golden_models
part "training, resuming, checkpoints, on CUDA" 120 "$work/tests" train::
part "synthetic tissue, the same bytes twice" 120 bash -c 'twice scripts/train_synthetic.rhai --device cuda --seed 42'
part "a real section (151673), the same bytes twice" 150 bash -c 'twice scripts/train_real.rhai --data_path "$SPATIA_TEST_DATA/dlpfc/151673.h5ad" --device cuda'
part "a device that is not there" 30 bash -c 'refused "cuda:7" "$spatia" run scripts/train_synthetic.rhai --device cuda:7'
part "little memory left on the device" 90 bash -c crowded
part "an epoch beside the PyTorch peer, 4000 x 2000" 120 python3 benches/epoch.py "$spatia" "$bundle/shared/peers/gvae_pyg.py" --device cuda --epochs 40
part "an epoch beside the PyTorch peer, 20000 x 2000" 120 python3 benches/epoch.py "$spatia" "$bundle/shared/peers/gvae_pyg.py" --device cuda --epochs 20 --spots 20000 --rounds 2
part "100 interrupts of a training, 4000 x 2000" 120 python3 benches/interrupt.py "$spatia" --only training --device cuda
part "20 interrupts of a training, 60000 x 2000" 150 python3 benches/interrupt.py "$spatia" --only training --device cuda --spots 60000 --times 20
printf '\n%s parts failed\n' "$failed"
rm -rf "$work"
exit "$failed"

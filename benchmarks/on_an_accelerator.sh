#!/usr/bin/env bash
# What an accelerator does with jaxcell, in 12 minutes at most, the most valuable first.
#
#     bash benchmarks/on_an_accelerator.sh OUT          # OUT: a new folder for the results
#     SMALL=1 bash benchmarks/on_an_accelerator.sh OUT  # a rehearsal of minutes on two CPU cores
#
# Each part has a limit of seconds and leaves OUT/NAME.json (figures, device, versions) and
# OUT/NAME.log; OUT/parts.tsv says how each ended. `layers` and `network` need jax, flax, optax,
# orbax-checkpoint, ml_collections and tensorboardX, and PyTorch to compare with; the others need
# all that jaxcell requires.
set -uo pipefail
OUT=${1:?"a new folder for the results"}
PYTHON=${PYTHON:-python3}
mkdir -p "$(dirname "$OUT")" && mkdir "$OUT" || exit 1
if [ "${SMALL:-}" ]; then
  batch=4 few="--repeats=1" study="--patches=128 --epochs=1" seeds=2 wells="--wells=4"
  demo="--config.plates.simulate.rows=6 --config.plates.simulate.field_size=384
    --config.training.autoencoder.epochs=1 --config.training.autoencoder.optimizer.warmup_steps=2
    --config.training.regressor.epochs=1 --config.training.regressor.optimizer.warmup_steps=2"
else
  batch=256 few="" study="" seeds=5 wells="" demo=""
fi
end=$((SECONDS + 720))

part() { # NAME, its limit in seconds, a module with its arguments
  local name=$1 limit=$2 began=$SECONDS left=$((end - SECONDS)) code
  shift 2
  [ "$left" -lt "$limit" ] && limit=$left
  if [ "$limit" -le 5 ]; then
    code="no time left"
  else
    timeout -k 5 "$limit" "$PYTHON" -m "$@" >"$OUT/$name.log" 2>&1
    code=$?
  fi
  printf '%s\t%s\t%s s\n' "$name" "$code" "$((SECONDS - began))" | tee -a "$OUT/parts.tsv"
}

network() { # NAME of the file, network, limit
  part "$1" "$3" benchmarks.networks --networks="$2" --batch=$batch --dtype=bfloat16 $few \
    --json="$OUT/$1.json"
}

part layers 75 benchmarks.layers --batch=$batch --dtype=bfloat16 $few --json="$OUT/layers.json"
for name in study truth default unet; do network "network_$name" $name 75; done
part whole 150 benchmarks.training --whole --seeds=1 --dtype=bfloat16 $study --json="$OUT/whole.json"
part seeds 60 benchmarks.training --seeds=$seeds $few --json="$OUT/seeds.json"
part layers_truth 60 benchmarks.layers --network=truth --batch=$batch --dtype=bfloat16 $few \
  --json="$OUT/layers_truth.json"
part predict 90 benchmarks.pipeline --parts=predict $wells $few --json="$OUT/predict.json"
for dtype in float32 bfloat16; do
  part "demo_$dtype" 150 jaxcell.cli train --config=demo --config.model.dtype=$dtype $demo \
    --workdir="$OUT/runs/$dtype" --config.machine.folder="$OUT/data"
done

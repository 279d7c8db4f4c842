#!/bin/sh
# Synthesises the recorded voices that are kept in the repository as package data:
#   gateway/emulator/voices/*.wav   the agent, 16 kHz 16-bit mono
#   gateway/demo/voices/*.wav       the caller of `gateway demo`, 8 kHz 16-bit mono
# and texts.tsv beside them: what each voice says.
#
# Run it by hand, from anywhere, when a text changes; then listen and commit the result:
#   apt-get install espeak-ng sox && tools/make_voices.sh [NAME...]
# With names, only these are made again. Nothing at run time needs espeak-ng or sox.
#
# Every voice is trimmed to 20 ms of silence at both ends and levelled to -20 dBFS RMS (as a good telephone line has),
# so that tests may judge energy. The last column printed is the highest peak: it must stay below 0 dBFS.
set -eu
cd "$(dirname "$0")/.."
agent_dir=gateway/emulator/voices
caller_dir=gateway/demo/voices
level_dbfs=-20
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wanted=" $* "

stat_value() {  # FILE LABEL
    sox "$1" -n stats 2>&1 | sed -n "s/^$2 *\(-\{0,1\}[0-9.]*\).*/\1/p" | head -n 1
}

forget_texts() {  # DIRECTORY
    mkdir -p "$1"
    : >"$1/texts.tsv"
}

make_voice() {  # FILE RATE_HZ ESPEAK_VOICE WORDS_PER_MINUTE PITCH TEXT
    file=$1; rate=$2; voice=$3; speed=$4; pitch=$5; text=$6
    name=$(basename "$file" .wav)
    printf '%s\t%s\n' "$name" "$text" >>"$(dirname "$file")/texts.tsv"
    case "$wanted" in "  " | *" $name "*) ;; *) return 0 ;; esac
    espeak-ng -v "$voice" -s "$speed" -p "$pitch" -w "$work/raw.wav" "$text"
    # Rumble below 80 Hz off; silence at both ends off (threshold 0.5 % of full scale); a little of it back on.
    sox -D "$work/raw.wav" -r "$rate" -c 1 -b 16 "$work/cut.wav" gain -3 highpass 80 \
        silence 1 0.005 0.5% reverse silence 1 0.005 0.5% reverse pad 0.02 0.02
    rms=$(stat_value "$work/cut.wav" "RMS lev dB")
    gain=$(awk -v now="$rms" -v want="$level_dbfs" 'BEGIN { printf "%.2f", want - now }')
    # Without dither (-D) the same text gives the same bytes.
    sox -D "$work/cut.wav" "$file" gain "$gain"
    printf '%-44s %6.2f s  RMS %6.2f dBFS  peak %6.2f dBFS\n' "$file" \
        "$(soxi -D "$file")" "$(stat_value "$file" 'RMS lev dB')" "$(stat_value "$file" 'Pk lev dB')"
}

agent() { make_voice "$agent_dir/$1.wav" 16000 en-us+f3 "${3:-165}" 55 "$2"; }
caller() { make_voice "$caller_dir/$1.wav" 8000 en-gb+m3 "${3:-160}" 40 "$2"; }

forget_texts "$agent_dir"
forget_texts "$caller_dir"

# The newcomer's first impression (scenarios/default.yaml).
agent practice_greeting "Hello! You have reached the gateway's practice agent. Say something, and I will repeat it. You can interrupt me at any time."
agent you_pressed "You pressed"
agent all_right "All right."

# The demonstration (scenarios/demo.yaml).
agent demo_greeting "Hello, and welcome to the demonstration. How can I help you today?"
agent demo_answer "We are open from nine in the morning until six in the evening."
agent demo_long_answer "There is a lot to tell. First, every call gets a session of its own. Second, the audio goes through just as the telephone sent it. Third, whenever you speak, I stop, and remember only what you have really heard."
agent demo_short_answer "Of course. What else can I do?"
agent demo_goodbye "Thank you, and goodbye!"

# The keys of a telephone.
for pair in 0:zero 1:one 2:two 3:three 4:four 5:five 6:six 7:seven 8:eight 9:nine star:star pound:pound; do
    agent "key_${pair%%:*}" "${pair##*:}." 150
done

# The caller of the demonstration.
caller question "Hello. When are you open today?"
caller second_question "And how does this gateway work?"
caller interruption "Wait, stop, that is enough."

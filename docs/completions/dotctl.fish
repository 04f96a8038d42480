# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dotctl_global_optspecs
    string join \n json h/help V/version
end

function __fish_dotctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dotctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dotctl_using_subcommand
    set -l cmd (__fish_dotctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dotctl -n "__fish_dotctl_needs_command" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_needs_command" -s V -l version -d 'Print version'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "status" -d 'Show the speaker: is it ready, is pairing open, who plays, who calls'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "pair" -d 'Open the pairing window: new phones can find the speaker and pair'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "phones" -d 'List the phones that are trusted or connected'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "connect" -d 'Connect a trusted phone'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "disconnect" -d 'Disconnect a phone'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "forget" -d 'Trust a phone no longer; it has to pair to come back'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "name" -d 'Show the speaker\'s name, or give it another one'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "volume" -d 'Show the volume, or set it'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "calls" -d 'List the calls of all phones'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "call" -d 'Answer, make and end calls'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "mic" -d 'Show the microphone, or switch it on or off'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "assistant" -d 'Start a phone\'s assistant, or stop it'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "monitor" -d 'Print what happens, one line each, until interrupted'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "config" -d 'Look at the configuration file'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "completions" -d 'Print a script that completes commands in a shell'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "man" -d 'Print a manual page'
complete -c dotctl -n "__fish_dotctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand status" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and not __fish_seen_subcommand_from stop help" -l for -d 'How long to keep the window open, like 90s, 3m or 1h [default: as in dotd.toml]' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and not __fish_seen_subcommand_from stop help" -l wait -d 'Wait until a phone has paired, and fail if none does'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and not __fish_seen_subcommand_from stop help" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and not __fish_seen_subcommand_from stop help" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and not __fish_seen_subcommand_from stop help" -f -a "stop" -d 'Close the pairing window'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and not __fish_seen_subcommand_from stop help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and __fish_seen_subcommand_from stop" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and __fish_seen_subcommand_from help" -f -a "stop" -d 'Close the pairing window'
complete -c dotctl -n "__fish_dotctl_using_subcommand pair; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand phones" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand phones" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand connect" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand connect" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand disconnect" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand disconnect" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand forget" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand forget" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand name" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand name" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand volume" -l phone -d 'Only this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand volume" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand volume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand calls" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand calls" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "answer" -d 'Answer what rings or waits; calls that are up are set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "reject" -d 'Refuse what rings or waits'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "hangup" -d 'End the call that is up or being made'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "dial" -d 'Call a number'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "memory" -d 'Call a number of the phone\'s memory'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "redial" -d 'Call the last number again'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "dtmf" -d 'Send tones into the call, one after the other'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "hold" -d 'Set the call that is up aside, or take up again the one that was'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "swap" -d 'Change between the call that is up and the one that waits or was set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "merge" -d 'Join the call that is up and the one that was set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "transfer" -d 'Move the sound of the call to the phone, or back here'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and not __fish_seen_subcommand_from answer reject hangup dial memory redial dtmf hold swap merge transfer help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from answer" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from answer" -l end-others -d 'End them instead'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from answer" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from answer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from reject" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from reject" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from reject" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from hangup" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from hangup" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from hangup" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from dial" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from dial" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from dial" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from memory" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from memory" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from memory" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from redial" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from redial" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from redial" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from dtmf" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from dtmf" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from dtmf" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from hold" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from hold" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from hold" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from swap" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from swap" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from swap" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from merge" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from merge" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from merge" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from transfer" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from transfer" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from transfer" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "answer" -d 'Answer what rings or waits; calls that are up are set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "reject" -d 'Refuse what rings or waits'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "hangup" -d 'End the call that is up or being made'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "dial" -d 'Call a number'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "memory" -d 'Call a number of the phone\'s memory'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "redial" -d 'Call the last number again'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "dtmf" -d 'Send tones into the call, one after the other'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "hold" -d 'Set the call that is up aside, or take up again the one that was'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "swap" -d 'Change between the call that is up and the one that waits or was set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "merge" -d 'Join the call that is up and the one that was set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "transfer" -d 'Move the sound of the call to the phone, or back here'
complete -c dotctl -n "__fish_dotctl_using_subcommand call; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and not __fish_seen_subcommand_from volume help" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and not __fish_seen_subcommand_from volume help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and not __fish_seen_subcommand_from volume help" -a "volume" -d 'Show how loud callers get the room, or set it'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and not __fish_seen_subcommand_from volume help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and __fish_seen_subcommand_from volume" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and __fish_seen_subcommand_from volume" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and __fish_seen_subcommand_from volume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and __fish_seen_subcommand_from help" -f -a "volume" -d 'Show how loud callers get the room, or set it'
complete -c dotctl -n "__fish_dotctl_using_subcommand mic; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand assistant" -l phone -d 'On this phone: part of its name or address' -r
complete -c dotctl -n "__fish_dotctl_using_subcommand assistant" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand assistant" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand monitor" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand monitor" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and not __fish_seen_subcommand_from check help" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Tell everything that is wrong with it'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and __fish_seen_subcommand_from check" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Tell everything that is wrong with it'
complete -c dotctl -n "__fish_dotctl_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -l json -d 'Print JSON instead of text'
complete -c dotctl -n "__fish_dotctl_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "status" -d 'Show the speaker: is it ready, is pairing open, who plays, who calls'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "pair" -d 'Open the pairing window: new phones can find the speaker and pair'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "phones" -d 'List the phones that are trusted or connected'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "connect" -d 'Connect a trusted phone'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "disconnect" -d 'Disconnect a phone'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "forget" -d 'Trust a phone no longer; it has to pair to come back'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "name" -d 'Show the speaker\'s name, or give it another one'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "volume" -d 'Show the volume, or set it'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "calls" -d 'List the calls of all phones'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "call" -d 'Answer, make and end calls'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "mic" -d 'Show the microphone, or switch it on or off'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "assistant" -d 'Start a phone\'s assistant, or stop it'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "monitor" -d 'Print what happens, one line each, until interrupted'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "config" -d 'Look at the configuration file'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "completions" -d 'Print a script that completes commands in a shell'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "man" -d 'Print a manual page'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and not __fish_seen_subcommand_from status pair phones connect disconnect forget name volume calls call mic assistant monitor config completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from pair" -f -a "stop" -d 'Close the pairing window'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "answer" -d 'Answer what rings or waits; calls that are up are set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "reject" -d 'Refuse what rings or waits'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "hangup" -d 'End the call that is up or being made'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "dial" -d 'Call a number'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "memory" -d 'Call a number of the phone\'s memory'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "redial" -d 'Call the last number again'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "dtmf" -d 'Send tones into the call, one after the other'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "hold" -d 'Set the call that is up aside, or take up again the one that was'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "swap" -d 'Change between the call that is up and the one that waits or was set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "merge" -d 'Join the call that is up and the one that was set aside'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from call" -f -a "transfer" -d 'Move the sound of the call to the phone, or back here'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from mic" -f -a "volume" -d 'Show how loud callers get the room, or set it'
complete -c dotctl -n "__fish_dotctl_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Tell everything that is wrong with it'

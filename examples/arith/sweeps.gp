# pass@1 over a setting of Omni-DPO, a panel a setting: gnuplot -e 'out="sweeps.svg"; names="gamma tau-ref lambda"; dir="build/figures"; base=0.9'
# sweeps.gp. DIR/NAME.sweep has value, mean, standard error (or nan).
set terminal svg size 1080,320 noenhanced font "sans-serif,11" background rgb "white"
set output out
n = words(names)
set multiplot layout 1,n
set ylabel "greedy pass@1"
set grid lc rgb "#E0E0E0"
set key off
set offsets graph 0.05, graph 0.05, graph 0.1, graph 0.1
do for [i=1:n] {
	set xlabel word(names, i)
	file = dir . "/" . word(names, i) . ".sweep"
	plot file using 0:2:(valid(3) ? $3 : 0):xtic(1) with yerrorlines pt 7 lc rgb "#009E73"
}
unset multiplot

# Score margin against reward margin, a panel a method: gnuplot -e 'out="margins.svg"; names="dpo simpo omni"; dir="build/figures"' margins.gp
# DIR/NAME.margins has two columns; its first line is a comment with Spearman's rho.
set terminal svg size 1080,360 noenhanced font "sans-serif,11" background rgb "white"
set output out
n = words(names)
set multiplot layout 1,n
set xlabel "score margin"
set ylabel "reward margin"
set grid lc rgb "#E0E0E0"
set key off
set xzeroaxis lc rgb "#909090"
do for [i=1:n] {
	file = dir . "/" . word(names, i) . ".margins"
	set title word(names, i) . ", Spearman " . system("head -n 1 " . file . " | cut -c3-")
	plot file with points pt 7 ps 0.35 lc rgb word("#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9", i)
}
unset multiplot
